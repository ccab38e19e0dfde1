//! The way out that Prometheus asks: the port, and the page of one configuration.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config;
use crate::export::prometheus::{self, BindError, Door, Page, Reloads, Server, Site, Strategy, WebError};
use crate::stats::Stats;
use crate::supervise::supervise;

use super::{BuildError, Measuring};

/// How long a port is waited for that another listener of ours has to give up first.
const HANDOVER: Duration = Duration::from_secs(2);

/// The way out that Prometheus asks, bound and not yet serving.
pub struct Pull {
    server: Server,
    settings: prometheus::Settings,
    pages: Pages,
}

/// What is served, and who may have it.
pub(super) struct Pages {
    page: Arc<Page>,
    door: Arc<Door>,
}

impl Pull {
    pub(super) fn build(config: &config::Prometheus, measuring: &Measuring) -> Result<Self, BuildError> {
        let settings = settings(config);
        let pages = pages(config, &settings, measuring)?;
        let server = Server::bind(&settings)?;
        Ok(Self { server, settings, pages })
    }

    /// How it is asked: `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.pages.door.is_encrypted() { "https" } else { "http" }
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.server.local_addrs()
    }

    /// Serves from now on, perhaps in the place of another.
    pub(super) fn start(
        self,
        measuring: &Measuring,
        reloads: Reloads,
        before: Option<&Listening>,
    ) -> Listening {
        let site = site(self.pages, &self.settings, measuring, reloads, before);
        let sites = watch::Sender::new(site);
        let tasks = serve(self.server, &self.settings, &sites, &measuring.stats);
        Listening { settings: self.settings, sites, tasks }
    }
}

/// How the page is to be.
pub fn settings(config: &config::Prometheus) -> prometheus::Settings {
    prometheus::Settings {
        bind_address: config.bind_address.clone(),
        port: config.port,
        listen: config
            .listen
            .iter()
            .map(|address| (address.host.clone(), address.port.unwrap_or(config.port)))
            .collect(),
        strategy: match config.translation_strategy {
            config::Strategy::UnderscoreEscapingWithSuffixes => Strategy::UnderscoreEscapingWithSuffixes,
            config::Strategy::UnderscoreEscapingWithoutSuffixes => {
                Strategy::UnderscoreEscapingWithoutSuffixes
            }
            config::Strategy::NoUtf8EscapingWithSuffixes => Strategy::NoUtf8EscapingWithSuffixes,
            config::Strategy::NoTranslation => Strategy::NoTranslation,
        },
        scope_labels: config.scope_labels,
        resource_labels: config.resource_constant_labels.clone(),
        ..prometheus::Settings::default()
    }
}

/// The door of a configuration: open, or as its web configuration file says.
pub fn door(config: &config::Prometheus) -> Result<Door, WebError> {
    config.web_config_file.as_deref().map_or_else(|| Ok(Door::open()), Door::guarded)
}

fn pages(
    config: &config::Prometheus,
    settings: &prometheus::Settings,
    measuring: &Measuring,
) -> Result<Pages, BuildError> {
    let settings = prometheus::Settings { voice: measuring.voice(config.dialect), ..settings.clone() };
    let page = Page::new(Arc::clone(&measuring.sampler), &measuring.resource, &settings);
    Ok(Pages { page: Arc::new(page), door: Arc::new(door(config)?) })
}

fn site(
    Pages { page, door }: Pages,
    settings: &prometheus::Settings,
    measuring: &Measuring,
    reloads: Reloads,
    before: Option<&Listening>,
) -> Arc<Site> {
    let site = Site::new(page, Arc::clone(&measuring.stats), measuring.resource.clone(), settings.budget);
    let site = site.with_reloads(reloads).behind(door);
    Arc::new(match before {
        Some(before) => site.after(&before.sites.borrow()),
        None => site,
    })
}

fn same_places(one: &prometheus::Settings, other: &prometheus::Settings) -> bool {
    (&one.bind_address, one.port, &one.listen) == (&other.bind_address, other.port, &other.listen)
}

fn share_a_port(one: &prometheus::Settings, other: &prometheus::Settings) -> bool {
    let ports = |settings: &prometheus::Settings| -> Vec<u16> {
        let several = settings.listen.iter().map(|(_, port)| *port);
        several.chain(settings.listen.is_empty().then_some(settings.port)).collect()
    };
    let others = ports(other);
    ports(one).iter().any(|port| others.contains(port))
}

/// A server that serves, until this is dropped or told to stop.
pub(super) struct Listening {
    settings: prometheus::Settings,
    sites: watch::Sender<Arc<Site>>,
    tasks: Tasks,
}

struct Tasks {
    stop: watch::Sender<bool>,
    serving: JoinSet<std::io::Result<()>>,
}

/// Serves until told to stop. After a panic it takes its port anew.
fn serve(
    server: Server,
    settings: &prometheus::Settings,
    sites: &watch::Sender<Arc<Site>>,
    stats: &Arc<Stats>,
) -> Tasks {
    let stop = watch::Sender::new(false);
    let (mut first, settings) = (Some(server), settings.clone());
    let (sites, stopped) = (sites.subscribe(), stop.subscribe());
    let mut serving = JoinSet::new();
    serving.spawn(supervise("endpoint", Arc::clone(stats), move || {
        let (server, settings) = (first.take(), settings.clone());
        let (sites, mut stopped) = (sites.clone(), stopped.clone());
        async move {
            let server = match server {
                Some(server) => server,
                None => Server::bind(&settings).map_err(std::io::Error::other)?,
            };
            let asked = async {
                // A sender that is gone asks for the same.
                let _ = stopped.wait_for(|stop| *stop).await;
            };
            server.run(sites, asked).await
        }
    }));
    Tasks { stop, serving }
}

/// What a configuration wants of the endpoint, ready to be put in place.
pub(super) enum Change {
    /// Nothing is to be served.
    Off,
    /// Other pages from the same port.
    Pages(prometheus::Settings, Pages),
    /// A port that was free.
    Port(Pull),
    /// A port that our own listener holds, at another address.
    SamePort(prometheus::Settings, Pages),
}

impl Change {
    pub(super) fn prepare(
        config: &config::Prometheus,
        measuring: &Measuring,
        now: Option<&prometheus::Settings>,
    ) -> Result<Self, BuildError> {
        if !config.enabled {
            return Ok(Change::Off);
        }
        let settings = settings(config);
        let Some(now) = now else { return Ok(Change::Port(Pull::build(config, measuring)?)) };
        let pages = pages(config, &settings, measuring)?;
        if same_places(now, &settings) {
            return Ok(Change::Pages(settings, pages));
        }
        match Server::bind(&settings) {
            Ok(server) => Ok(Change::Port(Pull { server, settings, pages })),
            // Ours may be in the way; if another program is, it shows when ours has given way.
            Err(BindError::InUse { .. }) if share_a_port(now, &settings) => {
                Ok(Change::SamePort(settings, pages))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Puts it in place of what listens now. An error leaves that as it is.
    pub(super) async fn commit(
        self,
        now: &mut Option<Listening>,
        measuring: &Measuring,
        reloads: &Reloads,
    ) -> Result<(), BindError> {
        match (self, now) {
            (Change::Off, now) => *now = None,
            (Change::Pages(settings, pages), Some(now)) => {
                let site = site(pages, &settings, measuring, reloads.clone(), Some(now));
                now.sites.send_replace(site);
                now.settings = settings;
            }
            (Change::SamePort(settings, pages), Some(now)) => {
                let server = now.give_way(&settings, &measuring.stats).await?;
                let pull = Pull { server, settings, pages };
                *now = pull.start(measuring, reloads.clone(), Some(now));
            }
            (Change::Port(pull), now) => *now = Some(pull.start(measuring, reloads.clone(), now.as_ref())),
            // These two are only made where something listens.
            (Change::Pages(..) | Change::SamePort(..), None) => {}
        }
        Ok(())
    }
}

impl Listening {
    pub(super) fn settings(&self) -> &prometheus::Settings {
        &self.settings
    }

    /// Ends when serving has ended, which without [`Listening::stop`] it does only when it fails.
    pub(super) async fn ended(&mut self) -> std::io::Result<()> {
        match self.tasks.serving.join_next().await {
            Some(Ok(result)) => result,
            Some(Err(error)) => Err(std::io::Error::other(error)),
            None => Ok(()),
        }
    }

    /// Takes no further connections, and finishes the answers under way.
    pub(super) async fn stop(&mut self) {
        self.tasks.stop.send_replace(true);
        if let Err(error) = self.ended().await {
            tracing::warn!(%error, "the endpoint did not end in peace");
        }
    }

    /// Gives up the port for another listener of ours, and takes it back where that cannot have it.
    async fn give_way(
        &mut self,
        other: &prometheus::Settings,
        stats: &Arc<Stats>,
    ) -> Result<Server, BindError> {
        self.tasks.stop.send_replace(true);
        let result = bind_soon(other).await;
        if result.is_err() {
            // It was ours a moment ago.
            let server = bind_soon(&self.settings).await?;
            self.tasks = serve(server, &self.settings, &self.sites, stats);
        }
        result
    }
}

/// Binds as soon as the port is free.
async fn bind_soon(settings: &prometheus::Settings) -> Result<Server, BindError> {
    let began = tokio::time::Instant::now();
    loop {
        match Server::bind(settings) {
            Err(BindError::InUse { .. }) if began.elapsed() < HANDOVER => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            result => return result,
        }
    }
}
