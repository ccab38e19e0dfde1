//! The threads that ask, and how long they are waited for.
//!
//! A machine that is paused (a virtual machine that is moved) wakes up past its deadlines, and then a mount
//! that was about to answer is given up as well: it is missing from one reading, and asked again in the next.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Error, Place, Space};

/// How long one mount is waited for.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// How long all are waited for together, below the sampler's deadline for a collector.
pub const TOGETHER: Duration = Duration::from_millis(800);

/// How many threads may hang.
pub const MAX_STUCK: usize = 8;

/// Less time than this is none to ask in.
pub(super) const TOO_LATE: Duration = Duration::from_millis(5);

/// A thread that only makes a system call needs little; the rest is room for a panic's message.
const STACK: usize = 128 << 10;

type Statfs = dyn Fn(&Path) -> io::Result<Space> + Send + Sync;
type Queue = Arc<Mutex<VecDeque<PathBuf>>>;

/// Asks on threads of its own: one that waits for work, and those that hang.
pub struct Pool {
    statfs: Arc<Statfs>,
    worker: Option<Worker>,
    stuck: Vec<(PathBuf, JoinHandle<()>)>,
}

impl Pool {
    /// A pool that asks with `statfs`.
    pub fn new(statfs: impl Fn(&Path) -> io::Result<Space> + Send + Sync + 'static) -> Self {
        Self { statfs: Arc::new(statfs), worker: None, stuck: Vec::new() }
    }

    /// How full each place is, in the order of `places`.
    pub fn ask(&mut self, places: &[Place]) -> Vec<Result<Space, Error>> {
        self.stuck.retain(|(_, thread)| !thread.is_finished());
        let mut order: Vec<usize> = (0..places.len()).collect();
        order.sort_by_key(|&i| places[i].remote);
        let mut waiting: VecDeque<(usize, &Place)> = order.into_iter().map(|i| (i, &places[i])).collect();
        let mut answers: Vec<_> = places.iter().map(|place| Err(late(place, PATIENCE))).collect();
        let mut clock = Clock { began: Instant::now(), hung: false };
        loop {
            waiting.retain(|(_, place)| self.may_ask(place));
            if waiting.is_empty() || clock.left() < TOO_LATE {
                return answers;
            }
            self.ask_until_one_hangs(&mut waiting, &mut clock, |i, answer| answers[i] = answer);
        }
    }

    /// How many threads hang at this moment.
    pub fn stuck(&self) -> usize {
        self.stuck.iter().filter(|(_, thread)| !thread.is_finished()).count()
    }

    fn may_ask(&self, place: &Place) -> bool {
        let threads = if place.remote { MAX_STUCK - 1 } else { MAX_STUCK };
        self.stuck.len() < threads && self.stuck.iter().all(|(path, _)| *path != place.path)
    }

    fn ask_until_one_hangs(
        &mut self,
        waiting: &mut VecDeque<(usize, &Place)>,
        clock: &mut Clock,
        mut put: impl FnMut(usize, Result<Space, Error>),
    ) {
        let queue = Queue::new(Mutex::new(waiting.iter().map(|(_, place)| place.path.clone()).collect()));
        let answers = match self.begin(&queue) {
            Ok(answers) => answers,
            Err(e) => {
                return waiting.drain(..).for_each(|(i, p)| put(i, Err(Error::io(name(p), e.kind().into()))));
            }
        };
        while let Some((i, place)) = waiting.pop_front() {
            let wait = clock.next_wait();
            let answer = answers.recv_timeout(wait).or_else(|_| {
                // While the queue is locked the worker cannot go on to the next path, so what hangs is this one.
                let mut queue = lock(&queue);
                answers.try_recv().map_err(|_| queue.clear())
            });
            if let Ok(answer) = answer {
                put(i, answer.map_err(|e| Error::io(name(place), e)));
            } else {
                put(i, Err(late(place, wait)));
                clock.hung = true;
                self.stuck.extend(self.worker.take().map(|worker| (place.path.clone(), worker.thread)));
                return;
            }
        }
    }

    /// Gives the queue to the worker, or to a new one.
    fn begin(&mut self, queue: &Queue) -> io::Result<Receiver<io::Result<Space>>> {
        let (tell, answers) = channel();
        let mut job = Job { queue: Arc::clone(queue), tell };
        if let Some(worker) = &self.worker {
            match worker.jobs.send(job) {
                Ok(()) => return Ok(answers),
                Err(unsent) => job = unsent.0,
            }
        }
        self.worker = Some(Worker::spawn(Arc::clone(&self.statfs), job)?);
        Ok(answers)
    }
}

fn name(place: &Place) -> String {
    place.path.display().to_string()
}

fn late(place: &Place, wait: Duration) -> Error {
    Error::Timeout { path: name(place), millis: wait.as_millis() as u64 }
}

/// How long may still be waited.
struct Clock {
    began: Instant,
    hung: bool,
}

impl Clock {
    fn left(&self) -> Duration {
        TOGETHER.saturating_sub(self.began.elapsed())
    }

    fn next_wait(&self) -> Duration {
        wait(self.left(), self.hung)
    }
}

/// How long the next one is waited for. Once one has hung, others may: each gets a quarter of what is left,
/// so that several fit in.
pub(super) fn wait(left: Duration, hung: bool) -> Duration {
    if hung { left / 4 } else { left.min(PATIENCE) }
}

struct Job {
    queue: Queue,
    tell: Sender<io::Result<Space>>,
}

struct Worker {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// A thread that ends when the pool drops it, or gives up the answers.
    fn spawn(statfs: Arc<Statfs>, first: Job) -> io::Result<Self> {
        let (jobs, more) = channel();
        let thread = std::thread::Builder::new().name("statfs".to_owned()).stack_size(STACK);
        let thread = thread.spawn(move || {
            for Job { queue, tell } in std::iter::once(first).chain(more) {
                while let Some(path) = pop(&queue) {
                    if tell.send(statfs(&path)).is_err() {
                        return;
                    }
                }
            }
        })?;
        Ok(Self { jobs, thread })
    }
}

fn lock(queue: &Queue) -> MutexGuard<'_, VecDeque<PathBuf>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pop(queue: &Queue) -> Option<PathBuf> {
    lock(queue).pop_front()
}
