//! Every gRPC code, with and without a wish for a later retry.

use std::time::{Duration, Instant};

use hostmeter::stats::Outcome;
use tonic::Code;

use super::agent::{Agent, PROBE, judge, settings, until};
use super::server::{Answer, Server};

const WISH: Duration = Duration::from_millis(600);

/// What the sender did after one refusal.
#[derive(Debug, PartialEq, Eq)]
enum Did {
    Retried,
    RetriedWhenWished,
    Dropped,
    DroppedAndHeld,
}

async fn did(code: Code, wish: Option<Duration>) -> Did {
    let server = Server::planning([Answer::Refuse(code, wish)]);
    let mut agent = Agent::start(settings(&server.serve().await));
    until("it goes on", || server.calls().len() >= 4).await;
    agent.stop().await;
    let calls: Vec<(Instant, i64)> = server.calls();
    let waited = calls[1].0 - calls[0].0;
    let dropped = agent.count(Outcome::Dropped("non_retryable"));
    let verdict = judge(&server.taken(), agent.collected());
    assert!(verdict.duplicated.is_empty() && verdict.out_of_order.is_empty());
    assert_eq!(verdict.lost.len() as u64, dropped);
    match (dropped, calls[1].1) {
        (0, 0) if waited >= WISH => Did::RetriedWhenWished,
        (0, 0) => Did::Retried,
        (3, 3) if waited >= PROBE => Did::DroppedAndHeld,
        (3, 3) => Did::Dropped,
        other => panic!("{code:?} {wish:?}: {other:?} {waited:?}"),
    }
}

async fn all(cases: impl IntoIterator<Item = (i32, Did, Did)>) {
    let mut running = tokio::task::JoinSet::new();
    for (code, plain, wished) in cases {
        for (wish, expected) in [(None, plain), (Some(WISH), wished)] {
            running.spawn(async move {
                let code = Code::from_i32(code);
                assert_eq!(did(code, wish).await, expected, "{code:?} {wish:?}");
            });
        }
    }
    running.join_all().await;
}

#[tokio::test]
async fn what_passes_is_retried() {
    all([1, 4, 10, 11, 14, 15].map(|code| (code, Did::Retried, Did::RetriedWhenWished))).await;
}

#[tokio::test]
async fn what_concerns_the_batch_is_dropped() {
    all([3, 6].map(|code| (code, Did::Dropped, Did::Dropped))).await;
}

#[tokio::test]
async fn what_concerns_us_is_dropped_and_the_rest_is_held() {
    all([2, 5, 7, 9, 12, 13, 16].map(|code| (code, Did::DroppedAndHeld, Did::DroppedAndHeld))).await;
}

#[tokio::test]
async fn a_peer_without_resources_is_obeyed_when_it_names_a_time() {
    all([(8, Did::Dropped, Did::RetriedWhenWished)]).await;
}

#[tokio::test]
async fn an_expired_token_costs_a_batch_for_each_probe_and_not_the_queue() {
    let server = Server::planning([Code::Unauthenticated; 2].map(|code| Answer::Refuse(code, None)));
    let mut agent = Agent::start(settings(&server.serve().await));
    until("it was refused twice", || agent.count(Outcome::Dropped("non_retryable")) == 6).await;
    assert!(agent.counts().queue.unwrap().batches >= 5, "the others wait");
    let state = agent.counts().state;
    assert!(state.contains("Unauthenticated: check the token"), "{state}");
    until("all others are there", || server.taken().len() >= 60).await;
    agent.stop().await;
    assert_eq!(judge(&server.taken(), agent.collected()).lost, [0, 1, 2, 3, 4, 5]);
}
