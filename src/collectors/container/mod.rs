//! The container in which the agent runs: its CPU, memory, disks, network and limits, from its own cgroup.
//!
//! Outside of a container there is nothing to tell, so the collector is on everywhere: it looks once, when it is
//! built, and then opens no file. There is one container, of which the resource says `container.id` where it can be
//! known; so its points are plain ones.
//!
//! Whatever root is given for the host, the container is that of the agent's own `/proc` and `/sys`: below the
//! host's, the path of the own cgroup means another one.

mod metrics;
mod place;
mod shapes;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::Deserialize;

use crate::config::{Kind, Setting};
use crate::host::{Error, Host, ParseError, text};
use crate::metric::{Reading, seconds};

use super::network;
use super::pressure::{self, STALL_TYPE};
use super::system::parse_uptime;
use super::{Collector, Context, Spec};
use metrics::{
    CPU_LIMIT, CPU_MODE, CPU_THROTTLED, CPU_TIME, CPU_USAGE, DEVICE, DISK_DIRECTION, DISK_IO, FAULT_TYPE,
    FAULTS, INTERFACE, MEMORY_AVAILABLE, MEMORY_LIMIT, MEMORY_RSS, MEMORY_USAGE, MEMORY_WORKING_SET, METRICS,
    NETWORK_DIRECTION, NETWORK_IO, OOM_KILL, PRESSURE, UPTIME,
};
use place::{Place, Places, Scope, Version};
use shapes::{Cpu, disk_name};

const SETTINGS: &[Setting] = &[Setting::new(
    "scope",
    Kind::OneOf(&["container", "pod", "cgroup"]),
    "container",
    "What is measured: the container in which the agent runs (container), nothing where it runs in none; what that \
     container is in (pod), where the host's cgroup file system and path are visible; or the agent's own cgroup \
     wherever it runs (cgroup), such as its service of systemd.",
)];

pub(super) static SPEC: Spec = Spec {
    name: "container",
    about: "The agent's own container: CPU, memory, disks, network and limits; nothing outside of one",
    metrics: METRICS,
    settings: SETTINGS,
    build: |section, context| Ok(Box::new(Container::new(&section.get()?, context))),
};

#[derive(Deserialize)]
struct Config {
    scope: Scope,
}

struct Container {
    scope: Scope,
    /// The host as the agent itself sees it.
    host: Host,
    places: Option<Places>,
    /// When the container started, in clock ticks since boot.
    started: Option<u64>,
    /// Since when its counters count.
    start: SystemTime,
    /// Whether it has interfaces that are not the host's.
    has_network: bool,
    /// Names of disks by their numbers.
    disks: HashMap<String, Arc<str>>,
    /// CPU time at the last reading.
    last: Option<(Instant, f64)>,
    /// What was last told of them.
    minor_faults: u64,
}

impl Container {
    fn new(Config { scope }: &Config, context: &Context<'_>) -> Self {
        let own = || Host::at("/").ok();
        let recorded = context.host.is_recorded().then(|| context.host.clone());
        let host = recorded.or_else(own).unwrap_or_else(|| context.host.clone());
        let places = Places::find(&host, *scope);
        let started = places.as_ref().and_then(|places| place::started(&host, places));
        let since =
            started.map(|ticks| Duration::from_millis(ticks.saturating_mul(1000) / host.ticks.max(1)));
        let start = since.and_then(|since| host.boot_time.checked_add(since)).unwrap_or_else(SystemTime::now);
        // Those of `net/core` that are of the whole machine are shown in its first network namespace only.
        let has_network = !host.exists("proc/sys/net/core/netdev_budget");
        Self {
            scope: *scope,
            host,
            places,
            started,
            start,
            has_network,
            disks: HashMap::new(),
            last: None,
            minor_faults: 0,
        }
    }
}

impl Collector for Container {
    fn collect(&mut self, _: &Host, out: &mut Reading) -> Result<(), Error> {
        let Some(places) = self.places.clone() else {
            // That there is no container is no failure; that what was asked for is not there is one.
            let path = match self.scope {
                Scope::Container => return Ok(()),
                Scope::Pod => "the cgroup of a pod",
                Scope::Cgroup => "a cgroup of the agent's own",
            };
            return Err(Error::Unavailable { path: path.to_owned() });
        };
        out.start = self.start;
        out.part(|out| self.time(&places, out));
        if let Some(place) = &places.quota {
            out.part(|out| self.quota(place, out));
        }
        if let Some(place) = &places.memory {
            out.part(|out| self.memory(place, out));
            out.part(|out| self.oom_kills(place, out));
        }
        if let Some(place) = &places.io {
            out.part(|out| self.io(place, out));
        }
        if let Some(place) = &places.pressure {
            self.pressure(place, out);
        }
        if self.has_network {
            out.part(|out| self.network(out));
        }
        if let Some(started) = self.started {
            out.part(|out| {
                let up = self.host.parse("proc/uptime", parse_uptime)?;
                out.push(&UPTIME, vec![], (up - seconds(started, self.host.ticks)).max(0.0));
                Ok(())
            });
        }
        if out.is_empty() && !out.problems.is_empty() {
            return Err(out.problems.remove(0));
        }
        Ok(())
    }

    /// Two directions of 128 disks or interfaces.
    fn ceiling(&self) -> usize {
        256
    }
}

impl Container {
    /// A file of a cgroup; none where this kernel, or the cgroup without the controller, does not have it.
    fn file<T>(
        &self,
        place: &Place,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, ParseError>,
    ) -> Result<Option<T>, Error> {
        match self.host.parse(&format!("{}/{name}", place.path), parse) {
            Ok(value) => Ok(Some(value)),
            Err(e) if e.is_unavailable() => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn time(&mut self, places: &Places, out: &mut Reading) -> Result<(), Error> {
        let Some(place) = &places.time else { return Ok(()) };
        let cpu = match place.version {
            Version::V2 => self.file(place, "cpu.stat", v2::cpu)?.unwrap_or_default(),
            Version::V1 => {
                let user = self.file(place, "cpuacct.usage_user", v1::seconds)?;
                let system = self.file(place, "cpuacct.usage_sys", v1::seconds)?;
                if user.is_some() && system.is_some() {
                    Cpu { user, system, throttled: None }
                } else {
                    let ticks = self.file(place, "cpuacct.stat", v1::ticks)?;
                    let [user, system] =
                        [0, 1].map(|at| ticks.map(|ticks| seconds(ticks[at], self.host.ticks)));
                    Cpu { user, system, throttled: None }
                }
            }
        };
        for (mode, seconds) in CPU_MODE.values.iter().zip([cpu.user, cpu.system]) {
            if let Some(seconds) = seconds {
                out.push(&CPU_TIME, vec![(CPU_MODE.name, (*mode).into())], seconds);
            }
        }
        if let Some(throttled) = cpu.throttled {
            out.push(&CPU_THROTTLED, vec![], throttled);
        }
        let Some(used) = cpu.user.zip(cpu.system).map(|(user, system)| user + system) else { return Ok(()) };
        if let Some((then, before)) = self.last.replace((out.instant, used)) {
            let elapsed = out.instant.saturating_duration_since(then).as_secs_f64();
            if elapsed > 0.0 {
                out.push(&CPU_USAGE, vec![], ((used - before) / elapsed).max(0.0));
            }
        }
        Ok(())
    }

    fn quota(&self, place: &Place, out: &mut Reading) -> Result<(), Error> {
        let cpus = match place.version {
            Version::V2 => self.file(place, "cpu.max", v2::quota)?.flatten(),
            Version::V1 => {
                if let Some(throttled) =
                    self.file(place, "cpu.stat", |text| Ok(v1::throttled(text)))?.flatten()
                {
                    out.push(&CPU_THROTTLED, vec![], throttled);
                }
                let quota = self.file(place, "cpu.cfs_quota_us", v1::quota)?.flatten();
                let period = self.file(place, "cpu.cfs_period_us", text::single::<u64>)?;
                let both = quota.zip(period.filter(|period| *period > 0));
                both.map(|(quota, period)| quota as f64 / period as f64)
            }
        };
        if let Some(cpus) = cpus {
            out.push(&CPU_LIMIT, vec![], cpus);
        }
        Ok(())
    }

    fn memory(&mut self, place: &Place, out: &mut Reading) -> Result<(), Error> {
        let (usage, limit, stat) = match place.version {
            Version::V2 => (
                self.file(place, "memory.current", text::single::<u64>)?,
                self.file(place, "memory.max", v2::limit)?.flatten(),
                self.file(place, "memory.stat", v2::memory)?,
            ),
            Version::V1 => (
                self.file(place, "memory.usage_in_bytes", text::single::<u64>)?,
                self.file(place, "memory.limit_in_bytes", v1::limit)?.flatten(),
                self.file(place, "memory.stat", v1::memory)?,
            ),
        };
        let stat = stat.unwrap_or_default();
        // What the kernel can have back without writing is not needed: as kubelet counts it.
        let working = usage.zip(stat.inactive_file).map(|(usage, inactive)| usage.saturating_sub(inactive));
        let available = limit.zip(working).map(|(limit, working)| limit.saturating_sub(working));
        for (metric, bytes) in [
            (&MEMORY_USAGE, usage),
            (&MEMORY_AVAILABLE, available),
            (&MEMORY_RSS, stat.rss),
            (&MEMORY_WORKING_SET, working),
            (&MEMORY_LIMIT, limit),
        ] {
            if let Some(bytes) = bytes {
                out.push(metric, vec![], bytes);
            }
        }
        // The kernel adds the two up at different times, so that their difference may step back.
        let minor = stat.faults.zip(stat.major_faults).map(|(all, major)| {
            self.minor_faults = self.minor_faults.max(all.saturating_sub(major));
            self.minor_faults
        });
        for (kind, count) in FAULT_TYPE.values.iter().zip([stat.major_faults, minor]) {
            if let Some(count) = count {
                out.push(&FAULTS, vec![(FAULT_TYPE.name, (*kind).into())], count);
            }
        }
        Ok(())
    }

    fn oom_kills(&self, place: &Place, out: &mut Reading) -> Result<(), Error> {
        let kills = match place.version {
            Version::V2 => self.file(place, "memory.events", |text| Ok(v2::oom_kills(text)))?,
            Version::V1 => self.file(place, "memory.oom_control", |text| Ok(v1::oom_kills(text)))?,
        };
        if let Some(kills) = kills.flatten() {
            out.push(&OOM_KILL, vec![], kills);
        }
        Ok(())
    }

    fn io(&mut self, place: &Place, out: &mut Reading) -> Result<(), Error> {
        let disks = match place.version {
            Version::V2 => self.file(place, "io.stat", |text| Ok(v2::disks(text)))?,
            Version::V1 => {
                let of = |name| self.file(place, name, |text| Ok(v1::disks(text)));
                match of("blkio.throttle.io_service_bytes_recursive")? {
                    Some(disks) => Some(disks),
                    None => of("blkio.throttle.io_service_bytes")?,
                }
            }
        };
        for disk in disks.into_iter().flatten() {
            let name = self.disk_name(&disk.device);
            for (direction, bytes) in DISK_DIRECTION.values.iter().zip([disk.read, disk.written]) {
                let attributes =
                    vec![(DEVICE.name, (&name).into()), (DISK_DIRECTION.name, (*direction).into())];
                out.push(&DISK_IO, attributes, bytes);
            }
        }
        Ok(())
    }

    /// The name of a disk by its number; the number where there is no name.
    fn disk_name(&mut self, number: &str) -> Arc<str> {
        if let Some(known) = self.disks.get(number) {
            return Arc::clone(known);
        }
        let name = self.host.read("proc/diskstats").ok().and_then(|text| disk_name(&text, number));
        let name = name.unwrap_or_else(|| number.into());
        self.disks.insert(number.to_owned(), Arc::clone(&name));
        name
    }

    fn pressure(&self, place: &Place, out: &mut Reading) {
        for (name, metric) in PRESSURE {
            out.part(|out| {
                let stalls =
                    self.file(place, &format!("{name}.pressure"), pressure::parse)?.unwrap_or_default();
                for (stall_type, stalls) in STALL_TYPE.values.iter().zip(stalls) {
                    if let Some(stalls) = stalls {
                        let attributes = vec![(STALL_TYPE.name, (*stall_type).into())];
                        out.push(metric, attributes, stalls.total as f64 / 1e6);
                    }
                }
                Ok(())
            });
        }
    }

    fn network(&self, out: &mut Reading) -> Result<(), Error> {
        let path = "proc/self/net/dev";
        let interfaces = match self.host.parse(path, network::interfaces_of) {
            Ok(found) => found.told(path, &mut out.problems),
            // A kernel without a network, which is not the container's fault.
            Err(e) if e.is_unavailable() => return Ok(()),
            Err(e) => return Err(e),
        };
        // What goes over the loopback stays in the container.
        for (name, bytes) in interfaces.into_iter().filter(|(name, _)| &**name != "lo") {
            for (direction, bytes) in NETWORK_DIRECTION.values.iter().zip(bytes) {
                let attributes =
                    vec![(INTERFACE.name, (&name).into()), (NETWORK_DIRECTION.name, (*direction).into())];
                out.push(&NETWORK_IO, attributes, bytes);
            }
        }
        Ok(())
    }
}
