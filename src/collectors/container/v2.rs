//! The files of version 2 (the kernel's Documentation/admin-guide/cgroup-v2.rst): microseconds and bytes.

use crate::host::ParseError;
use crate::host::text;

use super::shapes::{Cpu, Disk, Memory};

const MICROSECONDS: f64 = 1e6;

/// `cpu.stat`: without the controller only the first three of its lines.
pub(super) fn cpu(text: &str) -> Result<Cpu, ParseError> {
    let mut cpu = Cpu::default();
    for (key, value) in text::pairs(text) {
        let seconds = Some(value as f64 / MICROSECONDS);
        match key {
            "user_usec" => cpu.user = seconds,
            "system_usec" => cpu.system = seconds,
            "throttled_usec" => cpu.throttled = seconds,
            _ => {}
        }
    }
    if cpu == Cpu::default() { Err(ParseError::new(1, text, "lines such as user_usec")) } else { Ok(cpu) }
}

/// `cpu.max`: quota and period, as CPUs; none where there is no limit.
pub(super) fn quota(text: &str) -> Result<Option<f64>, ParseError> {
    const EXPECTED: &str = "max or a quota, and a period";
    let mut fields = text.split_ascii_whitespace();
    let quota = fields.next();
    let period: u64 = text::number(fields.next(), 1, text, EXPECTED)?;
    if quota == Some("max") {
        return Ok(None);
    }
    let quota: u64 = text::number(quota, 1, text, EXPECTED)?;
    Ok((period > 0).then(|| quota as f64 / period as f64))
}

/// `memory.max`: none where there is no limit.
pub(super) fn limit(text: &str) -> Result<Option<u64>, ParseError> {
    if text.trim() == "max" { Ok(None) } else { text::single(text).map(Some) }
}

/// `memory.stat`, which counts what is below the cgroup, too.
pub(super) fn memory(text: &str) -> Result<Memory, ParseError> {
    Memory::of(text, ["anon", "inactive_file", "pgfault", "pgmajfault"])
}

/// `memory.events`: a process that was killed because there was no more memory.
pub(super) fn oom_kills(text: &str) -> Option<u64> {
    text::pairs(text).find(|(key, _)| *key == "oom_kill").map(|(_, count)| count)
}

/// `io.stat`: `8:0 rbytes=1 wbytes=2 rios=3 ...`. Some kernels begin a line with several devices, of which the last
/// has the numbers, or end it after the device.
pub(super) fn disks(text: &str) -> Vec<Disk> {
    let mut disks: Vec<Disk> = Vec::new();
    for line in text.lines() {
        let mut device = None;
        let [mut read, mut written] = [None; 2];
        for field in line.split_ascii_whitespace() {
            match field.split_once('=') {
                None if field.contains(':') => device = Some(field),
                Some(("rbytes", bytes)) => read = bytes.parse().ok(),
                Some(("wbytes", bytes)) => written = bytes.parse().ok(),
                _ => {}
            }
        }
        if let (Some(device), Some(read), Some(written)) = (device, read, written)
            && !disks.iter().any(|known| known.device == device)
        {
            disks.push(Disk { device: device.to_owned(), read, written });
        }
    }
    disks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_seconds_and_without_the_controller_there_is_no_throttling() {
        let text = "usage_usec 2500000\nuser_usec 1500000\nsystem_usec 1000000\n";
        let plain = Cpu { user: Some(1.5), system: Some(1.0), throttled: None };
        assert_eq!(cpu(text), Ok(plain));
        let text = format!("{text}nice_usec 0\nnr_periods 9\nnr_throttled 3\nthrottled_usec 250000\n");
        assert_eq!(cpu(&text), Ok(Cpu { throttled: Some(0.25), ..plain }));
        assert!(cpu("").is_err());
    }

    #[test]
    fn no_limit_is_none() {
        assert_eq!((quota("max 100000\n"), quota("150000 100000\n")), (Ok(None), Ok(Some(1.5))));
        assert_eq!(quota("1 0\n"), Ok(None));
        assert!(quota("150000\n").is_err() && quota("-1 100000\n").is_err());
        assert_eq!((limit("max\n"), limit("67108864\n")), (Ok(None), Ok(Some(67_108_864))));
        assert!(limit("\n").is_err());
    }

    #[test]
    fn a_kill_is_neither_the_limit_nor_a_kill_of_the_group() {
        let text = "low 0\nhigh 0\nmax 31\noom 5\noom_kill 4\noom_group_kill 1\n";
        assert_eq!(oom_kills(text), Some(4));
        assert_eq!(oom_kills("low 0\nhigh 0\nmax 31\noom 5\n"), None);
    }

    #[test]
    fn every_device_has_its_line_even_where_a_kernel_joins_them() {
        let text = "8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0\n\
                    254:1 254:0 rbytes=7 wbytes=8 rios=1 wios=1 dbytes=0 dios=0\n\
                    7:0 \n\
                    8:16 rbytes=1 wbytes=1\n";
        let disk = |device: &str, read, written| Disk { device: device.into(), read, written };
        assert_eq!(disks(text), [disk("8:16", 1_459_200, 314_773_504), disk("254:0", 7, 8)]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "([a-z_]+ [0-9]{0,21}\n|[0-9]:[0-9] ([rw]bytes=[0-9]{0,21} ?){0,3}\n|\\PC*\n){0,5}") {
            let _ = (cpu(&text), quota(&text), limit(&text), memory(&text), oom_kills(&text), disks(&text));
        }
    }
}
