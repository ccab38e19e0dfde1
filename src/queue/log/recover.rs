//! What an earlier run left: which segments there are, and what waits in them.

use std::io;

use super::name::{CORRUPT, Name, UNKNOWN};
use super::{Log, Segment};
use crate::queue::record;
use crate::queue::segment::{self, Beginning, Content, HEADER, Tally};
use crate::queue::storage::{Storage, is_damage, is_foreign};

/// A segment as it was found.
struct Found {
    number: u64,
    length: u64,
    allocated: u64,
    header: Option<segment::Header>,
    first: u64,
    /// Where it was read through.
    content: Option<Content>,
}

impl Log {
    /// Opens what is there. What is damaged is left out and never a reason to fail; an error says that the
    /// disk does not answer.
    pub(in crate::queue) fn open(store: &dyn Storage, settled: u64) -> io::Result<Self> {
        let mut log = Self { settled, ..Self::default() };
        let mut found = Vec::new();
        let mut names = store.names()?;
        names.sort();
        for name in names {
            match Name::of(&name) {
                Name::Segment(number) => {
                    log.next_number = log.next_number.max(number.saturating_add(1));
                    found.extend(log.inspect(store, number)?);
                }
                Name::Aside => {
                    let allocated = allocated(store, &name);
                    log.aside.push_back((name, allocated));
                }
                Name::Unfinished => log.litter.push((name, 0)),
                Name::Other => {}
            }
        }
        log.keep_few();
        // Their order is that of their records, whatever their names say.
        found.sort_by_key(|found| (found.first, found.number));
        log.take_over(store, found)?;
        Ok(log)
    }

    /// Looks at a segment; none when there is nothing to be had from it.
    fn inspect(&mut self, store: &dyn Storage, number: u64) -> io::Result<Option<Found>> {
        let name = Name::segment(number);
        match look(store, number, &name, self.settled) {
            Ok(Look::Good(found)) => Ok(Some(found)),
            Ok(Look::Foreign(allocated)) => {
                self.put_aside(store, (name, allocated), UNKNOWN);
                Ok(None)
            }
            Ok(Look::Damaged(allocated)) => {
                self.put_aside(store, (name, allocated), CORRUPT);
                Ok(None)
            }
            Err(error) if is_damage(&error) => {
                let allocated = allocated(store, &name);
                self.put_aside(store, (name, allocated), CORRUPT);
                Ok(None)
            }
            // A directory, a link, a pipe: whatever it is, we did not make it.
            Err(error) if is_foreign(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn take_over(&mut self, store: &dyn Storage, found: Vec<Found>) -> io::Result<()> {
        let mut rest = found.into_iter().peekable();
        while let Some(found) = rest.next() {
            let name = Name::segment(found.number);
            let waiting = match rest.peek() {
                Some(next) if next.first <= self.settled.saturating_add(1) => Tally::default(),
                Some(next) => match told(&found, next, self.settled) {
                    Some(waiting) => waiting,
                    None => survey(store, &found, &name, self.settled)?.waiting,
                },
                None => {
                    let content = survey(store, &found, &name, self.settled)?;
                    let before = found.header.map(|header| header.before).unwrap_or_default();
                    self.total = before.plus(content.all);
                    self.last = content.last.max(found.first);
                    cut(store, &found, &name, content.end);
                    content.waiting
                }
            };
            if waiting.batches == 0 {
                self.litter.push((name, found.allocated));
                continue;
            }
            self.segments.push_back(Segment {
                number: found.number,
                first: found.first,
                origin: found.header.map(|header| header.origin),
                length: found.length,
                allocated: found.allocated,
                waiting,
                read_to: HEADER as u64,
                fruitful: false,
            });
        }
        Ok(())
    }
}

enum Look {
    Good(Found),
    Foreign(u64),
    Damaged(u64),
}

fn look(store: &dyn Storage, number: u64, name: &str, settled: u64) -> io::Result<Look> {
    let file = store.open(name)?;
    let stat = file.stat()?;
    let found = |header, first, content| {
        Look::Good(Found { number, length: stat.length, allocated: stat.allocated, header, first, content })
    };
    Ok(match segment::Header::read(&*file)? {
        Beginning::Foreign => Look::Foreign(stat.allocated),
        Beginning::Good(header) => found(Some(header), header.first, None),
        Beginning::Damaged => {
            let content = segment::survey(&*file, stat.length, settled)?;
            content.first.map_or(Look::Damaged(stat.allocated), |first| found(None, first, Some(content)))
        }
    })
}

/// What waits in a segment as its header and the next one tell it; none where they do not, or not sensibly.
fn told(found: &Found, next: &Found, settled: u64) -> Option<Tally> {
    let (ours, theirs) = (found.header?, next.header?);
    let waiting = theirs.before.minus(ours.before)?;
    let most = found.length.saturating_sub(HEADER as u64) / record::HEADER as u64;
    (ours.first > settled && waiting.batches <= most).then_some(waiting)
}

fn survey(store: &dyn Storage, found: &Found, name: &str, settled: u64) -> io::Result<Content> {
    match found.content {
        Some(content) => Ok(content),
        None => segment::survey(&*store.open(name)?, found.length, settled),
    }
}

fn allocated(store: &dyn Storage, name: &str) -> u64 {
    store.open(name).and_then(|file| file.stat()).map_or(0, |stat| stat.allocated)
}

/// Cuts off what a crash left of a record.
fn cut(store: &dyn Storage, found: &Found, name: &str, end: u64) {
    if end < found.length {
        // It would be ignored as well.
        let _ = store.open(name).and_then(|file| file.truncate(end));
    }
}
