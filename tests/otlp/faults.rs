//! Peers that are away, break, or say nothing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use hostmeter::stats::Outcome;

use super::agent::{Agent, INTERVAL, PERFECT, TIMEOUT, hasty, judge, settings, until};
use super::server::{Manner, Server, Villain, listen, listen_again, serve_headers_only};

/// Lets a peer misbehave for a while, puts a true server in its place, and judges what has arrived in the end.
async fn heals(manner: Manner, said: &str) {
    let (listener, endpoint) = listen().await;
    let address = listener.local_addr().unwrap();
    let villain = Villain::serve_at(listener, manner);
    let patient = !matches!(manner, Manner::Silent);
    let mut agent = Agent::start(if patient { settings(&endpoint) } else { hasty(&endpoint) });
    until("it was tried three times", || villain.connections.lock().unwrap().len() >= 3).await;
    let state = agent.counts().state;
    assert!(state.contains(said), "{state}");
    assert!(*villain.open.lock().unwrap() <= 1, "connections that were given up are closed");
    villain.leave().await;
    let server = Server::default();
    server.serve_at(listen_again(address).await);
    until("it delivers", || server.taken().len() >= 30).await;
    assert_eq!(agent.counts().state, "delivering");
    agent.stop().await;
    assert_eq!(judge(&server.taken(), agent.collected()), PERFECT);
}

#[tokio::test]
async fn nothing_is_lost_to_a_peer_that_resets() {
    heals(Manner::Reset, "the peer closes the connection").await;
}

#[tokio::test]
async fn nothing_is_lost_to_a_peer_that_closes() {
    heals(Manner::Close, "the peer closes the connection").await;
}

#[tokio::test]
async fn nothing_is_lost_to_a_peer_that_says_nothing() {
    heals(Manner::Silent, "connected, but no answer in time").await;
}

#[tokio::test]
async fn nothing_is_lost_to_a_web_server() {
    heals(Manner::Web, "no gRPC is spoken there").await;
}

#[tokio::test]
async fn nothing_is_lost_while_nobody_listens() {
    let (listener, endpoint) = listen().await;
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut agent = Agent::start(settings(&endpoint));
    until("twenty batches wait", || agent.collected() >= 60).await;
    assert_eq!(agent.counts().state, "waiting: connection refused: no Collector listens there (yet)");
    let server = Server::default();
    server.serve_at(listen_again(address).await);
    until("it delivers", || server.taken().len() >= 60).await;
    agent.stop().await;
    assert_eq!(judge(&server.taken(), agent.collected()), PERFECT);
}

#[tokio::test]
async fn ticks_keep_their_time_and_attempts_end_while_the_peer_says_nothing() {
    let (listener, endpoint) = listen().await;
    let villain = Villain::serve_at(listener, Manner::Silent);
    let mut agent = Agent::start(hasty(&endpoint));
    tokio::time::sleep(INTERVAL * 30).await;
    let ticks = agent.collected() / 3;
    // A sender that the ticks had to wait for would let through one in ten.
    assert!((20..=31).contains(&ticks), "{ticks} ticks in 30 intervals");
    let attempts = villain.connections.lock().unwrap().clone();
    assert!(attempts.len() >= 3, "each attempt has a connection of its own: {attempts:?}");
    for pair in attempts.windows(2) {
        let apart = pair[1] - pair[0];
        assert!(apart < TIMEOUT * 3, "{apart:?}");
    }
    // The peer hangs for ever, the grace does not.
    let took = agent.stop().await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(agent.count(Outcome::Dropped("shutdown")), agent.collected() as u64);
}

#[tokio::test]
async fn an_answer_that_begins_and_does_not_end_is_given_up() {
    let (listener, endpoint) = listen().await;
    let calls = serve_headers_only(listener);
    let mut agent = Agent::start(hasty(&endpoint));
    until("it was tried three times", || calls.load(Ordering::Relaxed) >= 3).await;
    assert!(agent.counts().state.contains("no answer in time"), "{}", agent.counts().state);
    agent.stop().await;
}

#[tokio::test]
async fn a_tls_handshake_without_an_end_has_one() {
    let (listener, endpoint) = listen().await;
    let villain = Villain::serve_at(listener, Manner::Silent);
    let mut agent = Agent::start(hasty(&endpoint.replace("http:", "https:")));
    until("it was tried three times", || villain.connections.lock().unwrap().len() >= 3).await;
    let state = agent.counts().state;
    assert!(state.contains("the TLS handshake has no end"), "{state}");
    agent.stop().await;
    assert_eq!(agent.count(Outcome::Dropped("shutdown")), agent.collected() as u64);
}

#[tokio::test]
async fn an_https_endpoint_at_a_plain_port_is_told_so() {
    let (listener, endpoint) = listen().await;
    let _villain = Villain::serve_at(listener, Manner::Web);
    let mut agent = Agent::start(hasty(&endpoint.replace("http:", "https:")));
    until("it is told", || agent.counts().state.contains("write http:// instead of https://")).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_told_so() {
    let mut agent = Agent::start(hasty("http://nobody.invalid:4317"));
    until("it is told", || agent.counts().state.starts_with("waiting: ")).await;
    let state = agent.counts().state;
    // Where the resolver itself does not answer, the deadline does.
    assert!(
        state.contains("the name does not resolve") || state.contains("no answer to the attempt"),
        "{state}"
    );
    agent.stop().await;
}

#[tokio::test]
async fn a_full_queue_loses_the_oldest_and_counts_them() {
    let (listener, endpoint) = listen().await;
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut settings = settings(&endpoint);
    settings.queue.bytes = 500;
    let mut agent = Agent::start(settings);
    until("some were dropped", || agent.count(Outcome::Dropped("queue_full")) >= 9).await;
    let queue = agent.counts().queue.unwrap();
    assert!(queue.usage <= queue.limit && queue.limit == 500 && queue.points > 0, "{queue:?}");
    let server = Server::default();
    server.serve_at(listen_again(address).await);
    until("it delivers", || server.taken().len() >= 30).await;
    agent.stop().await;
    let verdict = judge(&server.taken(), agent.collected());
    // One that was dropped while it was on its way may have arrived all the same, and is counted as dropped.
    let (dropped, lost) = (agent.count(Outcome::Dropped("queue_full")), verdict.lost.len() as u64);
    assert!((lost..=lost + 5).contains(&dropped), "{dropped} {lost}");
    assert_eq!(verdict.lost, (0..verdict.lost.len() as i64).collect::<Vec<_>>(), "the oldest");
    assert!(verdict.out_of_order.is_empty() && verdict.duplicated.is_empty());
}
