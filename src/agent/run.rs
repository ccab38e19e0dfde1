//! The agent while it runs: it serves, pushes, changes its configuration, and ends.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};

use crate::config::{Config, ProcessEnvironment};
use crate::export::otlp::{OtlpLane, Pusher};
use crate::export::prometheus::ReloadAsked;
use crate::sampler::Sampler;
use crate::stats::{ReloadStats, Stats};
use crate::supervise::supervise;

use super::life::{asked_to_stop, measure, signs_of_life};
use super::pull::{Change, Listening};
use super::push::Plan;
use super::{Agent, Configurer, Measuring, Push, RunError, Steering, push};

/// The parts of another configuration, built and not in use.
struct Prepared {
    config: Config,
    measuring: Measuring,
    change: Change,
    push: PushChange,
}

enum PushChange {
    Off,
    Plan(Box<Plan>),
    Begin(Box<Push>),
}

/// What is in use.
struct Running {
    config: Config,
    measuring: Arc<Measuring>,
    samplers: watch::Sender<Arc<Sampler>>,
    listening: Option<Listening>,
    pusher: Option<Pusher<OtlpLane>>,
}

type Preparing = JoinHandle<Result<Prepared, String>>;

impl Agent {
    /// Runs until it is told to stop, then drains.
    pub async fn run(self, mut steering: Steering) -> Result<(), RunError> {
        let Self { measuring, pull, push, config } = self;
        let stats = Arc::clone(&measuring.stats);
        stats.lock().reload = Some(ReloadStats { successful: true, at: SystemTime::now() });
        let listening = pull.map(|pull| pull.start(&measuring, steering.reload.clone(), None));
        let pusher = push.map(|push| push.start(&measuring));
        let samplers = watch::Sender::new(Arc::clone(&measuring.sampler));
        let mut running = Running { config, measuring: Arc::new(measuring), samplers, listening, pusher };
        let mut tasks = JoinSet::new();
        tasks.spawn(running.announce(&steering));
        let mut preparing: Option<(Preparing, ReloadAsked)> = None;
        let failed = loop {
            tokio::select! {
                () = asked_to_stop(steering.shutdown.clone()) => break None,
                () = stats.hopeless() => break Some(RunError::Hopeless),
                Err(error) = running.endpoint_ended() => break Some(error.into()),
                Some(asked) = steering.reloads.recv(), if preparing.is_none() => {
                    steering.manager.reloading();
                    preparing = Some((running.prepare(Arc::clone(&steering.configurer)), asked));
                }
                (prepared, asked) = done(&mut preparing) => {
                    let result = running.commit(prepared, &steering).await;
                    note(&stats, &result);
                    asked.answer(result.is_ok());
                    steering.manager.ready(&running.status());
                }
            }
        };
        steering.manager.stopping();
        drop(tasks);
        running.finish().await;
        failed.map_or(Ok(()), Err)
    }
}

/// Waits for what is being prepared; for ever where nothing is.
async fn done(preparing: &mut Option<(Preparing, ReloadAsked)>) -> (Result<Prepared, String>, ReloadAsked) {
    let Some((task, _)) = preparing else { return std::future::pending().await };
    let result = task.await.unwrap_or_else(|error| Err(format!("{error}; please report this")));
    // It was there a moment ago.
    let asked = preparing.take().map(|(_, asked)| asked).unwrap_or_default();
    (result, asked)
}

/// Writes down and tells how a reload went.
fn note(stats: &Stats, result: &Result<(), String>) {
    let mut counts = stats.lock();
    if let (Err(_), Some(last)) = (result, &mut counts.reload) {
        last.successful = false;
    } else {
        counts.reload = Some(ReloadStats { successful: result.is_ok(), at: SystemTime::now() });
    }
    drop(counts);
    match result {
        Ok(()) => tracing::info!("the configuration was read anew and is in use"),
        Err(problems) => {
            let problems = problems.replace('\n', "; ");
            tracing::error!("the configuration stays as it was, for the new one is refused: {problems}");
        }
    }
}

impl Running {
    /// Says that the agent is ready once the host has been read, and gives signs of life from then on.
    fn announce(&self, steering: &Steering) -> impl Future<Output = ()> + Send + 'static {
        let (manager, samplers) = (Arc::clone(&steering.manager), self.samplers.subscribe());
        let (counts, status) = (Arc::clone(&self.measuring.stats), self.status());
        async move {
            if manager.is_there() {
                let sampler = Arc::clone(&samplers.borrow());
                measure(sampler).await;
                manager.ready(&status);
            }
            supervise("watchdog", counts, || signs_of_life(Arc::clone(&manager), samplers.clone())).await;
        }
    }

    /// One line on what is on.
    fn status(&self) -> String {
        let collectors = self.config.collectors.values().filter(|collector| collector.enabled).count();
        let ways = match (&self.listening, self.config.otlp.enabled) {
            (Some(_), true) => "serves /metrics and pushes OTLP",
            (Some(_), false) => "serves /metrics",
            (None, true) => "pushes OTLP",
            (None, false) => "tells nobody",
        };
        format!("{collectors} collectors; {ways}")
    }

    /// Ends when the endpoint can no longer serve; never where it is off.
    async fn endpoint_ended(&mut self) -> std::io::Result<()> {
        match &mut self.listening {
            Some(listening) => listening.ended().await,
            None => std::future::pending().await,
        }
    }

    /// Reads the configuration anew and builds all its parts, off the runtime's thread.
    fn prepare(&self, configurer: Arc<dyn Configurer>) -> Preparing {
        let measuring = Arc::clone(&self.measuring);
        let endpoint = self.listening.as_ref().map(|listening| listening.settings().clone());
        let has_queue = self.pusher.is_some();
        spawn_blocking(move || {
            let config = configurer.read()?;
            let shown = |error: &dyn std::fmt::Display| error.to_string();
            let measuring = measuring.prepare(&config, &ProcessEnvironment).map_err(|e| shown(&e))?;
            let push = match (config.otlp.enabled, has_queue) {
                (false, _) => PushChange::Off,
                (true, true) => {
                    PushChange::Plan(Box::new(push::plan(&config, &measuring).map_err(|e| shown(&e))?))
                }
                (true, false) => {
                    PushChange::Begin(Box::new(Push::build(&config, &measuring).map_err(|e| shown(&e))?))
                }
            };
            // Last, because it may take a port.
            let change = Change::prepare(&config.prometheus, &measuring, endpoint.as_ref());
            let change = change.map_err(|e| shown(&e))?;
            Ok(Prepared { config, measuring, change, push })
        })
    }

    /// Puts it all in place.
    async fn commit(&mut self, next: Result<Prepared, String>, steering: &Steering) -> Result<(), String> {
        let Prepared { mut config, measuring, change, push } = next?;
        change
            .commit(&mut self.listening, &measuring, &steering.reload)
            .await
            .map_err(|error| error.to_string())?;
        // From here on nothing fails.
        measuring.sampler.take_effect();
        match (push, &mut self.pusher) {
            (PushChange::Off, Some(pusher)) => pusher.change(None),
            (PushChange::Plan(plan), Some(pusher)) => pusher.change(Some(*plan)),
            (PushChange::Begin(push), pusher) => *pusher = Some(push.start(&measuring)),
            (PushChange::Off | PushChange::Plan(_), None) => {}
        }
        self.samplers.send_replace(Arc::clone(&measuring.sampler));
        steering.configurer.apply(&config);
        if self.pusher.is_some() && config.queue != self.config.queue {
            tracing::warn!("queue: it goes on as it is; its settings need a new start");
            config.queue = self.config.queue.clone();
        }
        self.config = config;
        self.measuring = Arc::new(measuring);
        Ok(())
    }

    /// Stops serving and drains, both within the grace.
    async fn finish(self) {
        let Self { listening, pusher, .. } = self;
        let serving = async {
            if let Some(mut listening) = listening {
                listening.stop().await;
            }
        };
        let pushing = async {
            if let Some(pusher) = pusher {
                pusher.finish().await;
            }
        };
        tokio::join!(serving, pushing);
    }
}
