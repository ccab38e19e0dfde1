//! What the agent itself uses: of this process, whatever host it reads.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::read_regular;

/// What the process has used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of all its threads since its start (clock_gettime(2), `CLOCK_PROCESS_CPUTIME_ID`).
    pub cpu: Duration,
    /// Resident memory in bytes, from `/proc/self/statm`; none where that cannot be read.
    pub memory: Option<u64>,
}

impl Usage {
    /// Asks the kernel.
    pub fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Self { cpu: Duration::new(cpu.tv_sec as u64, cpu.tv_nsec as u32), memory: resident() }
    }
}

fn resident() -> Option<u64> {
    let statm = read_regular("/proc/self/statm".as_ref(), 4096).ok()?;
    let pages: u64 = std::str::from_utf8(&statm).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let before = Usage::now();
        let bytes = vec![1_u8; 8 << 20];
        let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
        let after = Usage::now();
        assert_eq!(sum, 8 << 20);
        assert!(after.cpu > before.cpu);
        assert!(after.memory.unwrap() > 8 << 20, "{after:?}");
    }
}
