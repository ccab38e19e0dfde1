//! Takes the oldest batch to the peer, one at a time, until it is taken or given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::queue::Entry;

use super::answer::{Accepted, Failure};
use super::call::export;
use super::connection::{Connection, Late, Target};
use super::credentials::{Credentials, News};
use super::hint::{Trouble, explain, shown};
use super::journal::{Journal, Line};
use super::retry::{Action, Backoff, Happened, Pace, Size, decide};
use super::road::Road;

/// At the end of the program, how long a connection may still take to come up.
const HURRY: Duration = Duration::from_secs(1);

/// What a sender is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// To send.
    Run,
    /// To end the attempt that is on, and leave the rest to another sender.
    Leave,
    /// To send what waits once more, for the end of the program is near.
    Drain,
}

/// What a sender needs to know.
pub(super) struct Sender {
    road: Arc<Road>,
    target: Target,
    credentials: Credentials,
    /// For a whole call, from the first byte to the last trailer.
    deadline: Duration,
    backoff: Backoff,
    gap: Duration,
    size: Size,
    /// What the packer reads of `size`.
    limit: Arc<AtomicUsize>,
    journal: Journal,
    connection: Option<Connection>,
    /// The peer refuses us rather than a batch, perhaps for our credentials.
    refused: bool,
    /// No connection came up.
    unreachable: bool,
}

impl Sender {
    pub(super) fn new(
        road: Arc<Road>,
        target: Target,
        credentials: Credentials,
        deadline: Duration,
        pace: Pace,
        limit: Arc<AtomicUsize>,
    ) -> Self {
        let journal = Journal::new(target.name());
        let size = Size::new(limit.load(Ordering::Relaxed));
        let (backoff, gap) = (Backoff::new(pace), pace.gap);
        let mut sender = Self {
            road,
            target,
            credentials,
            deadline,
            backoff,
            gap,
            size,
            limit,
            journal,
            connection: None,
            refused: false,
            unreachable: false,
        };
        sender.say(None);
        sender
    }

    /// Sends until nothing waits and nothing more will come, or until it is told to leave. When `phase` changes,
    /// the wait that is on ends, so that at the end of the program what waits gets one more chance at once.
    pub(super) async fn run(mut self, mut phase: watch::Receiver<Phase>) {
        let mut patient = true;
        while let Some(entry) = self.road.next_unless(told(phase.clone(), Phase::Leave)).await {
            if *phase.borrow() == Phase::Leave {
                return;
            }
            let began = Instant::now();
            let result = self.attempt(&entry, &phase).await;
            if *phase.borrow() == Phase::Leave && result.is_err() {
                // Another configuration may have the remedy.
                return;
            }
            self.road.stats().lock().export.duration = Some(began.elapsed());
            let mut pause = self.settle(&entry, result);
            // At the end of the program, a peer that is not there or wants nothing of us is not asked twice.
            if !patient && (self.unreachable || self.refused) {
                return;
            }
            if pause.is_zero() && patient {
                pause = self.gap.saturating_sub(began.elapsed());
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = phase.changed(), if patient => patient = false,
            }
        }
    }

    /// One attempt. A connection on which it broke is not used again.
    async fn attempt(&mut self, entry: &Entry, phase: &watch::Receiver<Phase>) -> Result<Accepted, Failure> {
        let kept = self.connection.take().filter(|connection| !connection.is_over());
        let news = self.credentials.refresh(self.refused || kept.is_none()).await;
        let kept = kept.filter(|_| !matches!(news, Some(News::Renewed)));
        let line = news.map(|news| self.journal.credentials(&news));
        self.say(line);
        self.unreachable = kept.is_none();
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.connect(phase.clone()).await?,
        };
        self.unreachable = false;
        let headers = self.credentials.headers()?;
        let result = export(&mut connection, &self.target, headers, &entry.bytes, self.deadline).await;
        if matches!(result, Ok(_) | Err(Failure::Refused(_))) {
            self.connection = Some(connection);
        }
        result
    }

    /// At the end of the program, or of this sender, a peer that is not there holds nothing up.
    async fn connect(&self, mut phase: watch::Receiver<Phase>) -> Result<Connection, Failure> {
        let hurry = async {
            // A teller that is gone says the same.
            let _ = phase.wait_for(|phase| *phase != Phase::Run).await;
            tokio::time::sleep(HURRY).await;
        };
        tokio::select! {
            connection = Connection::open(&self.target, self.credentials.tls()?, fastrand::f64()) => Ok(connection?),
            () = hurry => Err(Late("connection").into()),
        }
    }

    /// Books what became of an attempt, and returns how long to wait before the next.
    fn settle(&mut self, entry: &Entry, result: Result<Accepted, Failure>) -> Duration {
        let now = Instant::now();
        match result {
            Ok(accepted) => {
                self.road.delivered(entry, accepted.rejected);
                self.backoff.reset();
                self.refused = false;
                self.size.delivered();
                self.limit.store(self.size.now(), Ordering::Relaxed);
                let line = self.journal.rejected(now, &accepted);
                self.say(line);
                let line = self.journal.delivered(now, self.road.waiting());
                self.say(line);
                Duration::ZERO
            }
            Err(failure) => self.settle_failure(now, entry, &failure),
        }
    }

    fn settle_failure(&mut self, now: Instant, entry: &Entry, failure: &Failure) -> Duration {
        let trouble = explain(&self.target, failure);
        let happened = match failure {
            Failure::Refused(refusal) => {
                tracing::debug!(code = ?refusal.code, words = shown(&refusal.message), "the peer refused");
                Happened::Refused(refusal.code, refusal.retry_after)
            }
            Failure::Absurd(_) => Happened::Absurd,
            Failure::Broken(_) => Happened::Broken,
        };
        let action = decide(happened);
        self.refused = action == Action::Hold;
        if !matches!(action, Action::Retry(_)) {
            self.road.refused(entry);
        }
        match action {
            Action::Retry(wish) => {
                self.fail(now, &trouble, "data is kept meanwhile");
                self.backoff.wait(wish, fastrand::f64())
            }
            Action::Hold => {
                self.fail(now, &trouble, "one batch is tried now and then, the others are kept");
                self.backoff.probe(fastrand::f64())
            }
            Action::Drop => self.give_up(now, &trouble, entry),
            Action::Shrink => {
                self.size.shrink();
                self.limit.store(self.size.now(), Ordering::Relaxed);
                self.give_up(now, &trouble, entry)
            }
        }
    }

    fn fail(&mut self, now: Instant, trouble: &Trouble, meanwhile: &str) {
        let line = self.journal.failed(now, trouble, meanwhile, self.road.waiting());
        self.say(line);
    }

    fn give_up(&mut self, now: Instant, trouble: &Trouble, entry: &Entry) -> Duration {
        let line = self.journal.given_up(now, trouble, entry.points);
        self.say(line);
        Duration::ZERO
    }

    /// Tells the log, and the status page.
    fn say(&mut self, line: Option<Line>) {
        if let Some(line) = line {
            line.write();
        }
        self.road.stats().lock().export.state.clone_from(&self.journal.sentence);
    }
}

/// Waits until that is said, for ever where nobody is left to say it.
async fn told(mut phase: watch::Receiver<Phase>, what: Phase) {
    if phase.wait_for(|phase| *phase == what).await.is_err() {
        std::future::pending::<()>().await;
    }
}
