//! The OTLP road against a true server, and against peers that refuse, break, say nothing or talk nonsense.

// Clippy's leave for tests does not reach the helpers of an integration test.
#![allow(clippy::unwrap_used)]

mod agent;
#[path = "../support/authority.rs"]
mod authority;
mod change;
mod codes;
mod encrypted;
mod faults;
mod lane;
mod program;
mod records;
mod server;
mod tls;
mod web;

use std::time::Duration;

use hostmeter::export::otlp::Compression;
use hostmeter::stats::Outcome;

use agent::{Agent, PERFECT, judge, settings, until};
use server::{Answer, Server};

#[tokio::test]
async fn everything_arrives_once_and_in_order() {
    let server = Server::default();
    let mut settings = settings(&server.serve().await);
    settings.headers.insert("authorization", "Bearer secret".parse().unwrap());
    let mut agent = Agent::start(settings);
    until("ten batches are there", || server.taken().len() >= 30).await;
    agent.stop().await;
    assert_eq!(judge(&server.taken(), agent.collected()), PERFECT);
    assert_eq!(agent.count(Outcome::Delivered), agent.collected() as u64);
    let metadata = server.seen.lock().unwrap().metadata.clone();
    let header = |name: &str| metadata.get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(header("authorization"), "Bearer secret");
    assert!(header("user-agent").starts_with("hostmeter/"));
    assert_eq!(header("grpc-encoding"), "gzip");
}

#[tokio::test]
async fn zstd_is_understood() {
    let server = Server::default();
    let mut settings = settings(&server.serve().await);
    settings.compression = Compression::Zstd;
    let mut agent = Agent::start(settings);
    until("two batches are there", || server.taken().len() >= 6).await;
    agent.stop().await;
    assert_eq!(judge(&server.taken(), agent.collected()), PERFECT);
    assert_eq!(server.seen.lock().unwrap().metadata.get("grpc-encoding").unwrap(), "zstd");
}

#[tokio::test]
async fn the_end_of_the_program_sends_what_waits_and_the_last_moment() {
    let server = Server::default();
    let mut settings = settings(&server.serve().await);
    settings.interval = Duration::from_hours(1);
    let mut agent = Agent::start(settings);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let took = agent.stop().await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(judge(&server.taken(), 3), PERFECT);
}

#[tokio::test]
async fn points_that_the_peer_rejects_are_counted_and_not_sent_again() {
    let server = Server::planning([Answer::Partly(2, "too old"), Answer::Partly(99, "")]);
    let mut agent = Agent::start(settings(&server.serve().await));
    until("three batches are there", || server.taken().len() >= 9).await;
    agent.stop().await;
    assert_eq!(judge(&server.taken(), agent.collected()), PERFECT);
    // 2 of the first batch and all 3 of the second, which has no 99.
    assert_eq!(agent.count(Outcome::Rejected("partial_success")), 5);
}

#[tokio::test]
async fn a_connection_that_has_grown_old_is_replaced_and_nothing_is_lost() {
    let server = Server::default();
    let mut settings = settings(&server.serve().await);
    settings.target.lifetime = Duration::from_millis(100);
    let mut agent = Agent::start(settings);
    until("three connections were used", || server.seen.lock().unwrap().peers.len() >= 3).await;
    agent.stop().await;
    assert_eq!(judge(&server.taken(), agent.collected()), PERFECT);
}
