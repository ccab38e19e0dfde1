//! Whom the agent trusts, who it says it is, and what happens when certificates and tokens are renewed.

use std::time::Duration;

use hostmeter::export::otlp::Settings;
use hostmeter::stats::Outcome;
use tonic::Code;

use super::agent::{Agent, PERFECT, hasty, judge, settings, until};
use super::authority::{Authority, Files, Pair};
use super::encrypted::{TlsServer, config};
use super::server::{Answer, Server};

/// Between two looks at the files.
const CHECK: Duration = Duration::from_millis(50);

/// A server with a certificate, and the settings of an agent that trusts an authority.
async fn bench(files: &Files, pair: &Pair, trusted: &Authority) -> (TlsServer, Settings) {
    let server = TlsServer::serve(config(pair, None), Server::default()).await;
    let mut settings = settings(&server.endpoint);
    settings.security.ca_file = Some(files.put("ca.pem", &trusted.pem));
    settings.security.check = CHECK;
    (server, settings)
}

async fn delivers(server: &TlsServer, settings: Settings) {
    let mut agent = Agent::start(settings);
    until("three batches are there", || server.server.taken().len() >= 9).await;
    agent.stop().await;
    assert_eq!(judge(&server.server.taken(), agent.collected()), PERFECT);
}

/// Nothing of ours reaches the peer but the first message of the handshake.
async fn refuses(server: &TlsServer, settings: Settings, said: &str) {
    let mut agent = Agent::start(settings);
    until("it is told", || agent.counts().state.contains(said)).await;
    until("it was tried twice", || server.handshakes.lock().unwrap().1 >= 2).await;
    assert_eq!(server.handshakes.lock().unwrap().0, 0, "a handshake was finished");
    assert_eq!(agent.count(Outcome::Dropped("non_retryable")), 0);
    agent.stop().await;
    assert_eq!(server.server.calls(), []);
}

#[tokio::test]
async fn a_certificate_of_our_own_authority_is_trusted() {
    let (files, authority) = (Files::new(), Authority::new());
    let (server, settings) = bench(&files, &authority.issue("localhost", 2100), &authority).await;
    delivers(&server, settings).await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_trusted_when_that_name_is_asked_for() {
    let (files, authority) = (Files::new(), Authority::new());
    let (server, mut settings) =
        bench(&files, &authority.issue("collector.internal", 2100), &authority).await;
    settings.security.server_name = Some("collector.internal".to_owned());
    delivers(&server, settings).await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let (files, authority) = (Files::new(), Authority::new());
    let (server, mut settings) = bench(&files, &authority.issue("elsewhere", 2100), &authority).await;
    settings.grace = CHECK;
    refuses(&server, settings, "not valid for name").await;
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_refused() {
    let (files, authority) = (Files::new(), Authority::new());
    let (server, mut settings) = bench(&files, &authority.issue("localhost", 2021), &authority).await;
    settings.grace = CHECK;
    refuses(&server, settings, "certificate expired").await;
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let (files, authority) = (Files::new(), Authority::new());
    let (server, mut settings) = bench(&files, &Authority::new().issue("localhost", 2100), &authority).await;
    settings.grace = CHECK;
    refuses(&server, settings, "invalid peer certificate").await;
}

#[tokio::test]
async fn without_an_authority_of_our_own_the_systems_are_trusted_and_no_other() {
    let (files, authority) = (Files::new(), Authority::new());
    let (server, mut settings) = bench(&files, &authority.issue("localhost", 2100), &authority).await;
    (settings.security.ca_file, settings.grace) = (None, CHECK);
    refuses(&server, settings, "certificate").await;
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_the_peer_wants_one() {
    let (files, authority, clients) = (Files::new(), Authority::new(), Authority::new());
    let required = config(&authority.issue("localhost", 2100), Some(&clients));
    let (server, mut settings) = bench(&files, &authority.issue("localhost", 2100), &authority).await;
    *server.config.lock().unwrap() = required;
    let mine = clients.issue("hostmeter", 2100);
    settings.security.cert_file = Some(files.put("cert.pem", &mine.cert));
    settings.security.key_file = Some(files.put("key.pem", &mine.key));
    delivers(&server, settings).await;
}

#[tokio::test]
async fn without_the_client_certificate_that_the_peer_wants_it_is_told() {
    let (files, authority, clients) = (Files::new(), Authority::new(), Authority::new());
    let (server, mut settings) = bench(&files, &authority.issue("localhost", 2100), &authority).await;
    *server.config.lock().unwrap() = config(&authority.issue("localhost", 2100), Some(&clients));
    settings.grace = CHECK;
    refuses(&server, settings, "it may want a client certificate").await;
}

#[tokio::test]
async fn nothing_is_lost_when_certificate_and_authority_are_renewed() {
    let (files, authority, next) = (Files::new(), Authority::new(), Authority::new());
    let (server, settings) = bench(&files, &authority.issue("localhost", 2100), &authority).await;
    let mut agent = Agent::start(settings);
    until("it delivers", || server.server.taken().len() >= 9).await;
    *server.config.lock().unwrap() = config(&next.issue("localhost", 2100), None);
    files.put("ca.pem", "-----BEGIN CERTIFICATE-----\nhalf of it");
    tokio::time::sleep(CHECK * 3).await;
    assert_eq!(server.handshakes.lock().unwrap().0, 1, "the old one is good until the new one is whole");
    files.put("ca.pem", &next.pem);
    until("the new ones are used", || server.handshakes.lock().unwrap().0 >= 2).await;
    let taken = server.server.taken().len();
    until("it delivers", || server.server.taken().len() >= taken + 9).await;
    agent.stop().await;
    assert_eq!(judge(&server.server.taken(), agent.collected()), PERFECT);
    assert_eq!(*server.handshakes.lock().unwrap(), (2, 0));
}

#[tokio::test]
async fn a_token_that_was_refused_is_read_again_before_the_next_try() {
    let files = Files::new();
    let server = Server::planning([Answer::Refuse(Code::Unauthenticated, None)]);
    let mut settings = settings(&server.serve().await);
    settings.security.check = Duration::from_hours(1);
    settings.security.bearer_token_file = Some(files.put("token", "expired\n"));
    let mut agent = Agent::start(settings);
    until("it was refused", || server.calls().len() == 1).await;
    files.put("token", "renewed\n");
    until("it delivers", || server.taken().len() >= 9).await;
    agent.stop().await;
    let seen = server.seen.lock().unwrap().metadata.clone();
    assert_eq!(seen.get("authorization").unwrap(), "Bearer renewed");
    assert_eq!(judge(&server.taken(), agent.collected()).lost, [0, 1, 2], "one batch, no more");
}

#[tokio::test]
async fn a_file_that_is_missing_at_the_start_is_waited_for() {
    let (files, authority) = (Files::new(), Authority::new());
    let (server, settings) = bench(&files, &authority.issue("localhost", 2100), &authority).await;
    let ca = settings.security.ca_file.clone().unwrap();
    std::fs::remove_file(&ca).unwrap();
    let mut agent = Agent::start(settings);
    until("it is told", || agent.counts().state.contains("ca.pem: No such file")).await;
    std::fs::write(ca, &authority.pem).unwrap();
    until("it delivers", || server.server.taken().len() >= 9).await;
    agent.stop().await;
    assert_eq!(judge(&server.server.taken(), agent.collected()), PERFECT);
}

#[tokio::test]
async fn a_handshake_without_an_end_is_given_up_in_time() {
    let (listener, endpoint) = super::server::listen().await;
    let (files, authority) = (Files::new(), Authority::new());
    let mut settings = hasty(&endpoint.replace("http:", "https:"));
    settings.security.ca_file = Some(files.put("ca.pem", &authority.pem));
    settings.grace = Duration::from_mins(1);
    settings.target.tls = Duration::from_mins(1);
    let villain = super::server::Villain::serve_at(listener, super::server::Manner::Silent);
    let mut agent = Agent::start(settings);
    until("it is tried", || villain.connections.lock().unwrap().len() == 1).await;
    let took = agent.stop().await;
    assert!(took < Duration::from_secs(3), "the end of the program waited {took:?} for the peer");
}
