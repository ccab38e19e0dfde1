//! The pool against a statfs that hangs where it is told to.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::pool::TOO_LATE;
use std::path::Path;

use super::*;

const SPACE: Space = Space { block: 1, blocks: 9, free: 5, available: 4, inodes: 3, inodes_free: 2 };

/// Paths that hang until they are healed, and every call that was made.
#[derive(Default)]
struct Kernel {
    state: Mutex<(HashSet<PathBuf>, Vec<PathBuf>)>,
    healed: Condvar,
}

impl Kernel {
    fn hanging(paths: impl IntoIterator<Item = String>) -> Arc<Self> {
        let kernel = Self::default();
        kernel.state.lock().unwrap().0.extend(paths.into_iter().map(PathBuf::from));
        Arc::new(kernel)
    }

    fn statfs(&self, path: &Path) -> Space {
        let mut state = self.state.lock().unwrap();
        state.1.push(path.to_owned());
        while state.0.contains(path) {
            state = self.healed.wait(state).unwrap();
        }
        SPACE
    }

    fn heal(&self) {
        self.state.lock().unwrap().0.clear();
        self.healed.notify_all();
    }

    fn calls(&self, path: &str) -> usize {
        self.state.lock().unwrap().1.iter().filter(|called| **called == Path::new(path)).count()
    }

    fn pool(self: &Arc<Self>) -> Pool {
        let kernel = Arc::clone(self);
        Pool::new(move |path| Ok(kernel.statfs(path)))
    }
}

fn places(remote: bool, paths: impl IntoIterator<Item = String>) -> Vec<Place> {
    paths.into_iter().map(|path| Place { path: path.into(), remote }).collect()
}

fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{prefix}{i}")).collect()
}

fn answered(answers: &[Result<Space, Error>]) -> Vec<bool> {
    answers.iter().map(Result::is_ok).collect()
}

fn wait_until_none_is_stuck(pool: &Pool) {
    while pool.stuck() > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn answers_stand_in_the_order_of_the_places() {
    let mut pool = Pool::new(|path: &Path| {
        let blocks = path.to_string_lossy().trim_start_matches('/').parse().unwrap();
        Ok(Space { blocks, ..SPACE })
    });
    let mut all = places(true, ["/3".to_owned(), "/1".to_owned()]);
    all.extend(places(false, ["/2".to_owned()]));
    for _ in 0..2 {
        let blocks: Vec<u64> = pool.ask(&all).into_iter().map(|answer| answer.unwrap().blocks).collect();
        assert_eq!(blocks, [3, 1, 2]);
    }
}

#[test]
fn an_error_of_one_place_is_its_own() {
    let mut pool = Pool::new(|path: &Path| match path.to_str() {
        Some("/denied") => Err(io::ErrorKind::PermissionDenied.into()),
        Some("/panic") => panic!("of this test"),
        _ => Ok(SPACE),
    });
    let all = places(false, ["/a", "/denied", "/panic", "/b"].map(str::to_owned));
    let kinds: Vec<_> = pool.ask(&all).iter().map(|a| a.as_ref().map_err(Error::kind).err()).collect();
    assert_eq!(kinds, [None, Some("permission"), Some("timeout"), None]);
}

#[test]
fn a_mount_that_hangs_is_left_out_at_once_and_not_asked_again_until_it_heals() {
    let kernel = Kernel::hanging(["/nfs".to_owned()]);
    let mut pool = kernel.pool();
    let all = places(false, ["/a", "/nfs", "/b"].map(str::to_owned));

    let began = Instant::now();
    assert_eq!(answered(&pool.ask(&all)), [true, false, true]);
    assert!(began.elapsed() < TOGETHER, "{:?}", began.elapsed());

    let began = Instant::now();
    assert_eq!(answered(&pool.ask(&all)), [true, false, true]);
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    assert_eq!((kernel.calls("/nfs"), kernel.calls("/a")), (1, 2));

    kernel.heal();
    wait_until_none_is_stuck(&pool);
    assert_eq!(answered(&pool.ask(&all)), [true, true, true]);
    assert!(pool.stuck() == 0);
}

#[test]
fn fifty_dead_servers_hide_no_local_disk() {
    let kernel = Kernel::hanging(numbered("/nfs", 50));
    let mut pool = kernel.pool();
    let mut all = places(true, numbered("/nfs", 50));
    all.extend(places(false, numbered("/disk", 5)));
    for _ in 0..3 {
        let began = Instant::now();
        let answers = answered(&pool.ask(&all));
        assert!(began.elapsed() < Duration::from_millis(950), "{:?}", began.elapsed());
        assert!(answers[..50].iter().all(|ok| !ok) && answers[50..].iter().all(|ok| *ok));
        assert!(pool.stuck() < MAX_STUCK);
    }
    kernel.heal();
    wait_until_none_is_stuck(&pool);
    assert!(answered(&pool.ask(&all)).iter().all(|ok| *ok));
}

#[test]
fn no_more_threads_hang_than_may() {
    let kernel = Kernel::hanging(numbered("/disk", 20));
    let mut pool = kernel.pool();
    let all = places(false, numbered("/disk", 20));
    for _ in 0..3 {
        pool.ask(&all);
    }
    assert_eq!(pool.stuck(), MAX_STUCK);
    kernel.heal();
}

#[test]
fn mounts_that_are_slow_cost_no_more_than_the_time_there_is() {
    let mut pool = Pool::new(|_: &Path| {
        std::thread::sleep(Duration::from_millis(300));
        Ok(SPACE)
    });
    let began = Instant::now();
    let answers = answered(&pool.ask(&places(false, numbered("/slow", 10))));
    assert!(began.elapsed() < Duration::from_millis(950), "{:?}", began.elapsed());
    // Whether the first is among the answers is the scheduler's to say; that the last was not asked is not.
    assert!(!answers[9], "{answers:?}");
}

#[test]
fn all_waits_together_fit_into_the_time_there_is() {
    let (mut left, mut waits) = (TOGETHER, Vec::new());
    for hung in [false].into_iter().chain([true; MAX_STUCK - 1]) {
        waits.push(pool::wait(left, hung));
        left = left.checked_sub(waits[waits.len() - 1]).unwrap();
    }
    assert_eq!(waits[0], PATIENCE);
    assert!(waits.iter().all(|wait| *wait > TOO_LATE), "{waits:?}");
}

#[test]
fn the_answers_of_a_recorded_host_are_in_its_file() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("proc")).unwrap();
    std::fs::write(root.path().join("proc/stat"), "btime 1\n").unwrap();
    let host = Host::at(root.path()).unwrap();
    let ask = |path: &str| {
        let place = Place { path: host.path(path), remote: false };
        Pool::of(&host).map(|mut pool| pool.ask(&[place]).remove(0))
    };
    assert!(ask("/").unwrap().unwrap_err().is_unavailable());
    std::fs::write(root.path().join("statfs"), "/ 1 9 5 4 3 2\n/a\\040b 1 9 5 4 3 2\n").unwrap();
    assert_eq!(ask("/").unwrap().unwrap(), SPACE);
    assert_eq!(ask("/a b").unwrap().unwrap(), SPACE);
    std::fs::write(root.path().join("statfs"), "/ 1 9\n").unwrap();
    assert_eq!(ask("/").unwrap_err().kind(), "parse");
}

#[test]
fn the_kernel_answers_for_this_machine() {
    let mut pool = Pool::of(&Host::at("/").unwrap()).unwrap();
    let space = pool.ask(&places(false, ["/".to_owned(), "/not/here".to_owned()]));
    assert!(space[0].as_ref().unwrap().blocks > 0);
    assert!(space[1].as_ref().unwrap_err().is_unavailable());
}
