//! A directory in memory that fails when it is told to and remembers everything that was done to it, so that the
//! images that a crash could have left can be made afterwards.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::io::Errno;

use super::{File, Space, Stat, Storage};

const BLOCK: u64 = 4096;

/// What is done to the directory or to a file in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    List,
    Create,
    Open,
    Rename,
    Remove,
    SyncNames,
    Read,
    Write,
    Sync,
}

/// What was done, in the order in which it was done.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Write {
        file: u64,
        offset: u64,
        bytes: Vec<u8>,
    },
    Truncate {
        file: u64,
        length: u64,
    },
    Sync {
        file: u64,
    },
    Create {
        name: String,
        file: u64,
    },
    Rename {
        from: String,
        to: String,
    },
    Remove {
        name: String,
    },
    SyncNames,
    /// A word of the test.
    Note(usize),
}

impl Event {
    pub(crate) fn note(&self) -> Option<usize> {
        if let Event::Note(word) = self { Some(*word) } else { None }
    }
}

/// Decides whether something fails, by what it is and the name of the file.
pub(crate) type Fault = Box<dyn FnMut(Op, &str) -> Option<Errno> + Send>;

/// What is in the directory, and what it is like.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) files: BTreeMap<u64, Vec<u8>>,
    pub(crate) names: BTreeMap<String, u64>,
    pub(crate) journal: Vec<Event>,
    pub(crate) fault: Option<Fault>,
    /// The size of the file system; 0 for one without end.
    pub(crate) total: u64,
    /// What others take of it.
    pub(crate) others: u64,
    /// The path leads elsewhere.
    pub(crate) moved: bool,
    /// The most that we ever took.
    pub(crate) peak: u64,
    pub(crate) next: u64,
}

impl World {
    fn check(&mut self, op: Op, name: &str) -> io::Result<()> {
        let errno = self.fault.as_mut().and_then(|fault| fault(op, name));
        errno.map_or(Ok(()), |errno| Err(errno.into()))
    }

    fn find(&self, name: &str) -> io::Result<u64> {
        Ok(*self.names.get(name).ok_or(Errno::NOENT)?)
    }

    pub(crate) fn allocated(&self) -> u64 {
        let files = self.files.values().map(|bytes| (bytes.len() as u64).div_ceil(BLOCK) * BLOCK);
        files.sum::<u64>() + BLOCK
    }

    /// The bytes of a file.
    pub(crate) fn bytes(&mut self, name: &str) -> &mut Vec<u8> {
        let file = self.names[name];
        self.files.get_mut(&file).unwrap()
    }

    /// Does what an event says once more, for the image of a crash.
    pub(crate) fn replay(&mut self, event: &Event) {
        match event {
            Event::Write { file, offset, bytes } => {
                let (file, offset) = (self.files.entry(*file).or_default(), *offset as usize);
                file.resize(file.len().max(offset + bytes.len()), 0);
                file[offset..offset + bytes.len()].copy_from_slice(bytes);
            }
            Event::Truncate { file, length } => {
                self.files.entry(*file).or_default().resize(*length as usize, 0);
            }
            Event::Create { name, file } => {
                self.files.entry(*file).or_default();
                self.names.insert(name.clone(), *file);
            }
            Event::Rename { from, to } => {
                if let Some(file) = self.names.remove(from) {
                    self.names.insert(to.clone(), file);
                }
            }
            Event::Remove { name } => {
                self.names.remove(name);
            }
            Event::Sync { .. } | Event::SyncNames | Event::Note(_) => {}
        }
    }

    fn do_now(&mut self, event: Event) {
        self.replay(&event);
        self.journal.push(event);
        self.peak = self.peak.max(self.allocated());
    }

    /// What has neither a name nor a reader is gone; readers are few, and do not come back for it.
    fn forget(&mut self) {
        let named: Vec<u64> = self.names.values().copied().collect();
        self.files.retain(|file, _| named.contains(file));
    }
}

/// The directory; clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Simulated(Arc<Mutex<World>>);

impl Simulated {
    pub(crate) fn of(mut world: World) -> Self {
        world.next = world.files.keys().max().map_or(0, |last| last + 1);
        Self(Arc::new(Mutex::new(world)))
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// Lets everything that `fault` names fail.
    pub(crate) fn fail(&self, fault: impl FnMut(Op, &str) -> Option<Errno> + Send + 'static) {
        self.world().fault = Some(Box::new(fault));
    }

    /// Lets nothing fail.
    pub(crate) fn heal(&self) {
        self.world().fault = None;
    }

    pub(crate) fn note(&self, word: usize) {
        self.world().journal.push(Event::Note(word));
    }
}

impl Storage for Simulated {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut world = self.world();
        world.check(Op::List, "")?;
        Ok(world.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        let mut world = self.world();
        world.check(Op::Create, name)?;
        let file = world.next;
        world.next += 1;
        world.do_now(Event::Create { name: name.to_owned(), file });
        world.forget();
        Ok(Box::new(Open { directory: self.clone(), file, name: name.to_owned() }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        let mut world = self.world();
        world.check(Op::Open, name)?;
        let file = world.find(name)?;
        Ok(Box::new(Open { directory: self.clone(), file, name: name.to_owned() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.world();
        world.check(Op::Rename, from)?;
        world.find(from)?;
        world.do_now(Event::Rename { from: from.to_owned(), to: to.to_owned() });
        world.forget();
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = self.world();
        world.check(Op::Remove, name)?;
        world.find(name)?;
        world.do_now(Event::Remove { name: name.to_owned() });
        world.forget();
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut world = self.world();
        world.check(Op::SyncNames, "")?;
        world.journal.push(Event::SyncNames);
        Ok(())
    }

    fn space(&self) -> io::Result<Space> {
        let world = self.world();
        let total = if world.total == 0 { 1 << 50 } else { world.total };
        let available = total.saturating_sub(world.others + world.allocated());
        Ok(Space { total, available, block: BLOCK })
    }

    fn allocated(&self) -> io::Result<u64> {
        Ok(BLOCK)
    }

    fn in_place(&self) -> bool {
        !self.world().moved
    }
}

struct Open {
    directory: Simulated,
    file: u64,
    name: String,
}

impl Open {
    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut world = self.directory.world();
        let (file, bytes) = (self.file, bytes.to_vec());
        if let Err(error) = world.check(Op::Write, &self.name) {
            // Half of it may have been written.
            let half = bytes[..bytes.len() / 2].to_vec();
            world.do_now(Event::Write { file, offset, bytes: half });
            return Err(error);
        }
        world.do_now(Event::Write { file, offset, bytes });
        Ok(())
    }
}

impl File for Open {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut world = self.directory.world();
        world.check(Op::Read, &self.name)?;
        let bytes = world.files.get(&self.file).and_then(|bytes| bytes.get(offset as usize..));
        let bytes = bytes.unwrap_or_default();
        let read = bytes.len().min(buffer.len());
        buffer[..read].copy_from_slice(&bytes[..read]);
        Ok(read)
    }

    fn append(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let more = bytes.len() as u64 + BLOCK;
        if self.directory.space()?.available < more {
            return Err(Errno::NOSPC.into());
        }
        self.write(bytes, offset)
    }

    fn overwrite(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write(bytes, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.directory.world().do_now(Event::Truncate { file: self.file, length });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut world = self.directory.world();
        world.check(Op::Sync, &self.name)?;
        world.journal.push(Event::Sync { file: self.file });
        Ok(())
    }

    fn stat(&self) -> io::Result<Stat> {
        let world = self.directory.world();
        let length = world.files.get(&self.file).map_or(0, |bytes| bytes.len() as u64);
        let linked = world.names.values().any(|file| *file == self.file);
        Ok(Stat { length, allocated: length.div_ceil(BLOCK) * BLOCK, linked })
    }
}
