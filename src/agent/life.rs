//! What the agent is steered by while it runs, and the signs of life that it gives.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;

use crate::config::Config;
use crate::export::prometheus::ReloadAsked;
use crate::sampler::{CYCLE_DEADLINE, Sampler};
use crate::systemd::Manager;

/// A little longer than a cycle may take.
const BUDGET: Duration = CYCLE_DEADLINE.saturating_add(Duration::from_millis(500));

/// Whoever knows where the configuration comes from.
pub trait Configurer: Send + Sync {
    /// Reads it anew. An error is a line for each problem.
    fn read(&self) -> Result<Config, String>;

    /// What it says of things outside the agent, such as the log, takes effect.
    fn apply(&self, config: &Config);
}

/// What a running agent is steered by.
pub struct Steering {
    /// True when it is to stop.
    pub shutdown: watch::Receiver<bool>,
    /// Somebody wants the configuration to be read anew.
    pub reloads: mpsc::Receiver<ReloadAsked>,
    /// For those who ask the endpoint.
    pub reload: mpsc::Sender<ReloadAsked>,
    /// Where the configuration comes from.
    pub configurer: Arc<dyn Configurer>,
    /// The service manager.
    pub manager: Arc<Manager>,
}

/// Why an agent ended that was not told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The endpoint could not go on.
    #[error("the server of /metrics ended: {0}")]
    Endpoint(#[from] std::io::Error),
    /// Only a new start may help.
    #[error("tasks panic again and again; please report this with the log")]
    Hopeless,
}

/// Waits until the agent is to stop.
pub(super) async fn asked_to_stop(mut shutdown: watch::Receiver<bool>) {
    // A sender that is gone asks for the same.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Takes a snapshot without holding up the runtime's thread.
pub(super) async fn measure(sampler: Arc<Sampler>) {
    // Neither its end nor a panic in it matters: the cycles that have ended say whether it was of use.
    let _ = spawn_blocking(move || sampler.snapshot_within(Duration::ZERO, BUDGET)).await;
}

/// Tells the manager for ever that the agent is alive: only when the host has been read since it was told last. Where
/// nobody asks for that, it is read here, so a sampler that hangs ends the signs of life whatever the timers do.
pub(super) async fn signs_of_life(manager: Arc<Manager>, samplers: watch::Receiver<Arc<Sampler>>) {
    let Some(watchdog) = manager.watchdog() else { return std::future::pending().await };
    let mut told = 0;
    loop {
        let sampler = Arc::clone(&samplers.borrow());
        if sampler.cycles() == told {
            measure(Arc::clone(&sampler)).await;
        }
        if sampler.cycles() != told {
            told = sampler.cycles();
            manager.alive();
        }
        tokio::time::sleep(watchdog / 2).await;
    }
}
