//! Lines on their way to a reader who may not read.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use crate::stats::Stats;

use super::brake::complete;

/// Lines that wait for the reader. More are left out, and counted.
const LINES: usize = 1024;

/// How long the end of the program waits for a reader.
const PATIENCE: Duration = Duration::from_millis(100);

/// The way in, for one line at a time.
#[derive(Clone)]
pub(super) struct Ring {
    lines: SyncSender<Item>,
    stats: Arc<Stats>,
}

enum Item {
    Line(Vec<u8>),
    /// Tells when everything before it has been written.
    Flush(Sender<()>),
}

impl Ring {
    /// A ring that a thread empties into `out`.
    pub(super) fn start(out: impl Write + Send + 'static, stats: Arc<Stats>) -> Self {
        let (lines, written) = sync_channel(LINES);
        let counted = Arc::clone(&stats);
        let thread = std::thread::Builder::new().name("log".to_owned()).stack_size(128 << 10);
        // Without the thread the channel is closed, and every line is one that was left out.
        let _ = thread.spawn(move || empty(&written, out, &counted));
        Self { lines, stats }
    }

    /// Waits a moment until everything so far has been written.
    pub(super) fn flush(&self) {
        let (done, flushed) = channel();
        if self.lines.try_send(Item::Flush(done)).is_ok() {
            // Who does not read now will not be waited for.
            let _ = flushed.recv_timeout(PATIENCE);
        }
    }
}

fn empty(lines: &Receiver<Item>, mut out: impl Write, stats: &Stats) {
    while let Ok(item) = lines.recv() {
        match item {
            Item::Line(line) => {
                if out.write_all(&line).is_err() {
                    stats.log.blocked.fetch_add(1, Ordering::Relaxed);
                }
            }
            // Who asked may have gone.
            Item::Flush(done) => drop(done.send(())),
        }
    }
}

impl Write for Ring {
    /// Takes a whole line, which is how `tracing-subscriber` writes.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.lines.try_send(Item::Line(complete(line))).is_err() {
            self.stats.log.blocked.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};
    use std::time::Instant;

    use super::*;

    /// A reader who takes lines when he is let.
    #[derive(Clone, Default)]
    struct Reader(Arc<(Mutex<Taken>, Condvar)>);

    #[derive(Default)]
    struct Taken {
        reads: bool,
        lines: usize,
    }

    impl Reader {
        fn reads(&self) {
            self.0.0.lock().unwrap().reads = true;
            self.0.1.notify_all();
        }

        fn lines(&self) -> usize {
            self.0.0.lock().unwrap().lines
        }
    }

    impl Write for Reader {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let mut state = self.0.1.wait_while(self.0.0.lock().unwrap(), |state| !state.reads).unwrap();
            state.lines += 1;
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_does_not_read_holds_nobody_up_and_what_he_misses_is_counted() {
        let (reader, stats) = (Reader::default(), Arc::new(Stats::default()));
        let mut ring = Ring::start(reader.clone(), Arc::clone(&stats));
        let began = Instant::now();
        for line in 0..3 * LINES {
            ring.write_all(format!("line {line}\n").as_bytes()).unwrap();
        }
        Ring::flush(&ring);
        assert!(began.elapsed() < Duration::from_secs(2), "it took {:?}", began.elapsed());
        let left_out = stats.log.blocked.load(Ordering::Relaxed) as usize;
        // One more than the ring holds is with the thread that tries to write it.
        assert!((3 * LINES - LINES - 1..=3 * LINES - LINES).contains(&left_out), "{left_out}");
        reader.reads();
        let deadline = Instant::now() + Duration::from_secs(5);
        while reader.lines() < 3 * LINES - left_out && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(reader.lines(), 3 * LINES - left_out);
    }

    #[test]
    fn at_the_end_everything_has_been_written() {
        let (reader, stats) = (Reader::default(), Arc::new(Stats::default()));
        reader.reads();
        let mut ring = Ring::start(reader.clone(), stats);
        (0..100).for_each(|_| ring.write_all(b"line\n").unwrap());
        Ring::flush(&ring);
        assert_eq!(reader.lines(), 100);
    }
}
