//! What both versions of cgroups tell.

use std::sync::Arc;

use crate::host::ParseError;
use crate::host::text;

/// CPU time in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Cpu {
    pub(super) user: Option<f64>,
    pub(super) system: Option<f64>,
    pub(super) throttled: Option<f64>,
}

/// What is used of `memory.stat`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) rss: Option<u64>,
    pub(super) inactive_file: Option<u64>,
    pub(super) faults: Option<u64>,
    pub(super) major_faults: Option<u64>,
}

impl Memory {
    /// The lines with these names.
    pub(super) fn of(text: &str, names: [&str; 4]) -> Result<Self, ParseError> {
        let mut found = [None; 4];
        for (key, value) in text::pairs(text) {
            if let Some(at) = names.iter().position(|name| *name == key) {
                found[at] = Some(value);
            }
        }
        let [rss, inactive_file, faults, major_faults] = found;
        let memory = Self { rss, inactive_file, faults, major_faults };
        let nothing = memory == Self::default();
        if nothing { Err(ParseError::new(1, text, "lines such as pgfault")) } else { Ok(memory) }
    }
}

/// Bytes of one device, which has its number for a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) device: String,
    pub(super) read: u64,
    pub(super) written: u64,
}

/// The name that belongs to `major:minor` in `/proc/diskstats`.
pub(super) fn disk_name(diskstats: &str, number: &str) -> Option<Arc<str>> {
    let (major, minor) = number.split_once(':')?;
    diskstats.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let is_it = fields.next()? == major && fields.next()? == minor;
        is_it.then(|| fields.next().map(Arc::from))?
    })
}
