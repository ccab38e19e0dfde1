//! Several processes as one: groups, and the remainder that everybody else is in.
//!
//! A group accumulates what its members consume while they are in it, so that it never goes back when one
//! of them ends; its counters begin with the agent's first look, not with the host.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Deserialize;

use crate::metric::{Attributes, Entity};

use super::facts::Facts;
use super::matching::Rule;
use super::table::{Process, Usage};

/// The name of the remainder.
pub(super) const OTHER: &str = "_other";

/// A group that had no member for this many readings makes room when the ceiling is reached.
const IDLE_READINGS: u32 = 20;

/// What processes are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum GroupBy {
    Executable,
    Owner,
    Cgroup,
    Container,
    Rules,
}

impl GroupBy {
    fn attribute(self) -> &'static str {
        match self {
            GroupBy::Executable => "process.executable.name",
            GroupBy::Owner => "process.owner",
            GroupBy::Cgroup => "process.linux.cgroup",
            GroupBy::Container => "container.id",
            GroupBy::Rules => "process.group",
        }
    }

    /// The key of a process's group; none: the remainder.
    fn key(self, facts: &Facts<'_>, rules: &[Rule]) -> Option<Arc<str>> {
        match self {
            GroupBy::Executable => Some(facts.executable_name().into()),
            GroupBy::Owner => facts.shared_owner().cloned(),
            GroupBy::Cgroup => facts.cgroup().map(Into::into),
            GroupBy::Container => facts.container().map(Into::into),
            GroupBy::Rules => {
                rules.iter().find(|rule| rule.pattern.matches(facts)).map(|rule| Arc::clone(&rule.group))
            }
        }
    }
}

/// Several processes as one.
#[derive(Debug)]
pub(super) struct Group {
    pub entity: Entity,
    /// What its members consumed while they were in it.
    pub consumed: Usage,
    /// What its members consumed since the last reading.
    pub usage: Usage,
    pub members: u64,
    pub resident: u64,
    pub virtual_size: u64,
    pub threads: u64,
    idle: u32,
}

impl Group {
    fn new(attributes: Attributes, start: SystemTime) -> Self {
        Self {
            entity: Entity { attributes, start, title: None },
            consumed: Usage::default(),
            usage: Usage::default(),
            members: 0,
            resident: 0,
            virtual_size: 0,
            threads: 0,
            idle: 0,
        }
    }

    fn begin(&mut self) {
        self.idle = if self.members == 0 { self.idle.saturating_add(1) } else { 0 };
        self.usage = Usage::default();
        self.members = 0;
        self.resident = 0;
        self.virtual_size = 0;
        self.threads = 0;
    }

    /// Adds a member's present state.
    pub(super) fn add(&mut self, process: &Process) {
        if process.unread {
            return;
        }
        self.members += 1;
        self.usage.add(&process.usage);
        self.resident = self.resident.saturating_add(process.stat.resident);
        self.virtual_size = self.virtual_size.saturating_add(process.stat.virtual_size);
        self.threads += u64::from(process.stat.threads);
    }
}

/// All groups, and the remainder.
#[derive(Debug)]
pub(super) struct Groups {
    by: GroupBy,
    rules: Vec<Rule>,
    ceiling: usize,
    all: Vec<Option<Group>>,
    keys: HashMap<Arc<str>, u32>,
    pub other: Group,
    /// Since when a group counts that is found at this reading.
    since: SystemTime,
}

impl Groups {
    pub(super) fn new(by: GroupBy, rules: Vec<Rule>, ceiling: usize) -> Self {
        let other = Group::new(vec![("process.executable.name", OTHER.into())], SystemTime::UNIX_EPOCH);
        Self {
            by,
            rules,
            ceiling,
            all: Vec::new(),
            keys: HashMap::new(),
            other,
            since: SystemTime::UNIX_EPOCH,
        }
    }

    /// Begins a reading at a time; the last was at `last`, where there was one.
    pub(super) fn begin(&mut self, time: SystemTime, last: Option<SystemTime>) {
        self.since = last.unwrap_or(time);
        if last.is_none() {
            self.other.entity.start = time;
        }
        self.other.begin();
        self.all.iter_mut().flatten().for_each(Group::begin);
    }

    /// The place of the group that a process belongs to; none: the remainder.
    pub(super) fn place(&mut self, facts: &Facts<'_>) -> Option<u32> {
        let key = self.by.key(facts, &self.rules)?;
        if let Some(place) = self.keys.get(&key) {
            return Some(*place);
        }
        let place = self.free_place()?;
        let attributes = vec![(self.by.attribute(), Arc::clone(&key).into())];
        self.all[place as usize] = Some(Group::new(attributes, self.since));
        self.keys.insert(key, place);
        Some(place)
    }

    fn free_place(&mut self) -> Option<u32> {
        if self.all.len() < self.ceiling {
            self.all.push(None);
            return Some((self.all.len() - 1) as u32);
        }
        let longest_idle = |group: &Option<Group>| group.as_ref().map_or(u32::MAX, |group| group.idle);
        let (place, idle) = self.all.iter().map(longest_idle).enumerate().max_by_key(|(_, idle)| *idle)?;
        if idle < IDLE_READINGS {
            return None;
        }
        self.keys.retain(|_, at| *at as usize != place);
        Some(place as u32)
    }

    /// The group at a place, else the remainder.
    pub(super) fn at(&mut self, place: Option<u32>) -> &mut Group {
        let group = place.and_then(|place| self.all.get_mut(place as usize)?.as_mut());
        group.unwrap_or(&mut self.other)
    }

    /// Every group, then the remainder.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.all.iter().flatten().chain([&self.other])
    }
}
