//! What the agent itself uses: of this process, whatever host it reads.

use std::time::Duration;

use super::kernel;

/// What the process has used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of all its threads since its start.
    pub cpu: Duration,
    /// Resident memory in bytes; none where that cannot be read.
    pub memory: Option<u64>,
}

impl Usage {
    /// Asks the kernel.
    pub fn now() -> Self {
        kernel::usage()
    }
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
