//! Who is served: the accept loop, and how many connections there may be.
//!
//! Where there are too many, the one that has been without a request longest makes room for the newcomer, so
//! that neither idle connections, nor a flood of half requests, nor clients that do not read keep Prometheus
//! out. Where all are being served, the newcomer is told to come again.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet, yield_now};
use tokio::time::{sleep, timeout};

use super::bind::Server;
use super::connection::{Heart, Pulse, discard, serve};
use super::door::Door;
use super::flight::Flights;
use super::{Limits, Page, Reloads, Shape};
use crate::resource::Resource;
use crate::stats::Stats;

/// How long answers under way may take at the end.
const DRAIN: Duration = Duration::from_secs(1);

/// How long is waited where no connection can be accepted and none can be closed for it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long one who is turned away has to take his answer.
const FAREWELL: Duration = Duration::from_millis(200);

/// How many are turned away with an answer at a time; further ones without.
const MAX_FAREWELLS: usize = 64;

/// Said before anything has been read, so not by hyper. The end of the connection is the end of the text.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\r\ntoo many requests at a time; try again in a while\n";

/// What is served.
pub struct Site {
    pub(super) flights: Flights,
    pub(super) stats: Arc<Stats>,
    pub(super) resource: Resource,
    pub(super) budget: Duration,
    pub(super) door: Arc<Door>,
    /// None where nothing can be reloaded.
    pub(super) reloads: Option<Reloads>,
    /// The agent has been ready before.
    was_ready: bool,
}

impl Site {
    /// The pages of one configuration; `budget` as in [`super::Settings::budget`].
    pub fn new(page: Arc<Page>, stats: Arc<Stats>, resource: Resource, budget: Duration) -> Self {
        let flights = Flights::new(page, Arc::clone(&stats));
        Self {
            flights,
            stats,
            resource,
            budget,
            door: Arc::new(Door::open()),
            reloads: None,
            was_ready: false,
        }
    }

    /// The same where clients may have the configuration read anew.
    #[must_use]
    pub fn with_reloads(self, reloads: Reloads) -> Self {
        Self { reloads: Some(reloads), ..self }
    }

    /// The same in the place of another one: where that was ready, this one is, too.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        Self { was_ready: before.is_ready(), ..self }
    }

    /// Whether the host has been read.
    pub(super) fn is_ready(&self) -> bool {
        self.was_ready || self.flights.page().last().is_some()
    }

    /// The same behind a door of its own.
    pub fn behind(self, door: Arc<Door>) -> Self {
        Self { door, ..self }
    }
}

impl Server {
    /// Serves until `shutdown`, then finishes the answers under way, for a second at most. A new site takes
    /// the old one's place with the next request. Must run within a runtime with I/O and time.
    pub async fn run(
        self,
        site: watch::Receiver<Arc<Site>>,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let to_network = self.local_addrs().iter().any(|address| !address.ip().is_loopback());
        if let Some(lacking) = site.borrow().door.lacks().filter(|_| to_network) {
            tracing::warn!("metrics are served to the network, {lacking} (prometheus.web_config_file)");
        }
        let listeners: Vec<TcpListener> =
            self.listeners.into_iter().map(TcpListener::from_std).collect::<Result<_, _>>()?;
        let mut guests = Guests::new(self.limits, site.clone());
        let first_pages = tokio::spawn(make_first_pages(site));
        let mut shutdown = std::pin::pin!(shutdown);
        let mut failing = false;
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = guests.tasks.join_next_with_id() => {
                    guests.left(ended);
                    continue;
                }
                accepted = accept(&listeners) => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    failing = false;
                    guests.welcome(stream, peer.ip().to_canonical());
                    // Lets the newcomer speak before the next one can take its place.
                    yield_now().await;
                }
                Err(error) if of_the_peer(&error) => {}
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "no connection can be accepted; trying again");
                    }
                    failing = true;
                    // Mostly it is a file descriptor that is missing, and a quiet connection has one.
                    if guests.dismiss_quietest(|_| true) {
                        yield_now().await;
                    } else {
                        sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
        first_pages.abort();
        drop(listeners);
        guests.drain().await;
        Ok(())
    }
}

/// Makes the first page of each site without being asked: `/-/ready` tells of it, and rates begin with it.
async fn make_first_pages(mut site: watch::Receiver<Arc<Site>>) {
    loop {
        let current = Arc::clone(&site.borrow_and_update());
        current.flights.get(Shape::default(), current.budget).await;
        drop(current);
        if site.changed().await.is_err() {
            return;
        }
    }
}

async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    std::future::poll_fn(|cx| {
        let mut polls = listeners.iter().map(|listener| listener.poll_accept(cx));
        polls.find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
}

/// Whether an error of accept(2) is about one connection that ended before it began.
fn of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// The connections there are.
struct Guests {
    limits: Limits,
    site: watch::Receiver<Arc<Site>>,
    closing: watch::Sender<bool>,
    tasks: JoinSet<()>,
    served: HashMap<Id, Guest>,
}

struct Guest {
    address: IpAddr,
    pulse: watch::Receiver<Pulse>,
    task: AbortHandle,
}

impl Guests {
    fn new(limits: Limits, site: watch::Receiver<Arc<Site>>) -> Self {
        let (tasks, served) = (JoinSet::new(), HashMap::new());
        Self { limits, site, closing: watch::Sender::new(false), tasks, served }
    }

    fn welcome(&mut self, stream: TcpStream, address: IpAddr) {
        if !self.has_room_for(address) {
            let farewells = self.tasks.len() - self.served.len();
            // Who expects a handshake takes a text for a broken one.
            if farewells < MAX_FAREWELLS && !self.site.borrow().door.is_encrypted() {
                self.tasks.spawn(turn_away(stream, FULL));
            }
            return;
        }
        let heart = Heart::new(self.limits);
        let pulse = heart.pulse();
        let task = self.tasks.spawn(serve(stream, self.site.clone(), heart, self.closing.subscribe()));
        self.served.insert(task.id(), Guest { address, pulse, task });
    }

    fn has_room_for(&mut self, address: IpAddr) -> bool {
        let neighbours = self.served.values().filter(|guest| guest.address == address).count();
        if !address.is_loopback() && neighbours >= self.limits.connections_per_address {
            return self.dismiss_quietest(|guest| guest.address == address);
        }
        self.served.len() < self.limits.connections || self.dismiss_quietest(|_| true)
    }

    /// Closes the connection that has been quiet longest; false where there is none such.
    fn dismiss_quietest(&mut self, eligible: impl Fn(&Guest) -> bool) -> bool {
        let quiet = self.served.iter().filter(|(_, guest)| eligible(guest));
        let quietest = quiet
            .filter_map(|(id, guest)| Some((guest.pulse.borrow().quiet_since()?, *id)))
            .min_by_key(|(since, _)| *since);
        let Some(guest) = quietest.and_then(|(_, id)| self.served.remove(&id)) else { return false };
        guest.task.abort();
        true
    }

    fn left(&mut self, ended: Result<(Id, ()), JoinError>) {
        if ended.as_ref().is_err_and(JoinError::is_panic) {
            self.site.borrow().stats.panicked("connection");
        }
        self.served.remove(&ended.map_or_else(|error| error.id(), |(id, ())| id));
    }

    async fn drain(mut self) {
        while self.dismiss_quietest(|_| true) {}
        self.closing.send_replace(true);
        let all_left = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(DRAIN, all_left).await.is_err() {
            tracing::debug!("clients that did not take their answer were left");
        }
    }
}

/// Answers a client without having read what it asks.
pub(super) async fn turn_away(mut stream: TcpStream, text: &'static [u8]) {
    let farewell = async {
        stream.write_all(text).await?;
        stream.shutdown().await?;
        // The client's request must have come before the connection is closed, or it would reset it.
        stream.readable().await
    };
    if let Ok(Ok(())) = timeout(FAREWELL, farewell).await {
        discard(&stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::prometheus::fixture;

    /// The server's and the client's end of a connection.
    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().await.unwrap().0, client)
    }

    async fn closed(client: &TcpStream) -> bool {
        let readable = timeout(Duration::from_millis(200), client.readable()).await;
        readable.is_ok() && matches!(client.try_read(&mut [0; 64]), Ok(0))
    }

    fn guests(limits: Limits) -> Guests {
        let site = watch::channel(Arc::new(fixture::site(&[], "web-1"))).1;
        Guests::new(limits, site)
    }

    #[tokio::test]
    async fn one_foreign_address_makes_room_among_its_own() {
        let mut guests = guests(Limits { connections_per_address: 2, ..Limits::default() });
        let addresses: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
        let mut clients = Vec::new();
        for address in [addresses[1], addresses[0], addresses[0], addresses[0]] {
            let (server, client) = pair().await;
            guests.welcome(server, address);
            clients.push(client);
        }
        let mut ends = Vec::new();
        for client in &clients {
            ends.push(closed(client).await);
        }
        assert_eq!(ends, [false, true, false, false]);
    }

    #[tokio::test]
    async fn this_machine_may_have_all_connections_and_no_more() {
        let mut guests = guests(Limits { connections: 3, connections_per_address: 1, ..Limits::default() });
        let mut clients = Vec::new();
        for _ in 0..4 {
            let (server, client) = pair().await;
            guests.welcome(server, IpAddr::from([127, 0, 0, 1]));
            clients.push(client);
        }
        assert_eq!(guests.served.len(), 3);
        assert!(closed(&clients[0]).await && !closed(&clients[1]).await);
    }
}
