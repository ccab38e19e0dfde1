//! `/proc/<pid>/stat` (proc_pid_stat(5)), parsed where the kernel put it, without allocation.

/// `PF_KTHREAD` (linux/sched.h): the process is a thread of the kernel.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// The length that a name is cut to (`TASK_COMM_LEN`); some kernel threads show more.
const NAME: usize = 16;

/// The fields of `stat` that are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stat {
    name: [u8; NAME],
    name_length: u8,
    /// `R`, `S`, `D`, `Z`, `T`, `t`, `X`, `I`.
    pub state: u8,
    /// A thread of the kernel.
    pub kernel_thread: bool,
    /// The parent's pid.
    pub parent: u32,
    /// Threads of the process.
    pub threads: u32,
    /// Faults that needed no reading from a disk.
    pub minor_faults: u64,
    /// Faults that did.
    pub major_faults: u64,
    /// Clock ticks in user mode.
    pub user: u64,
    /// Clock ticks in the kernel.
    pub system: u64,
    /// Clock ticks from boot to the process's start. With the pid it is the process's identity.
    pub start: u64,
    /// Bytes of virtual memory.
    pub virtual_size: u64,
    /// Pages in memory.
    pub resident: u64,
}

impl Stat {
    /// The name (`comm`), as the kernel has it: any bytes but NUL.
    pub(super) fn name(&self) -> &[u8] {
        &self.name[..usize::from(self.name_length)]
    }

    /// Clock ticks in all.
    pub(super) fn ticks(&self) -> u64 {
        self.user.saturating_add(self.system)
    }
}

/// Parses the text of `stat`; none where it is not one (it was cut, or it is another file).
///
/// The name stands in brackets and may itself hold brackets, blanks and newlines, so it ends at the last `)`.
pub(super) fn parse(text: &[u8]) -> Option<Stat> {
    let open = memchr::memchr(b'(', text)?;
    let close = memchr::memrchr(b')', text).filter(|close| *close > open)?;
    let name = &text[open + 1..close];
    let rest = text.get(close + 2..)?;
    let mut stat = Stat { state: *rest.first()?, ..Stat::default() };
    let length = name.len().min(NAME);
    stat.name[..length].copy_from_slice(&name[..length]);
    stat.name_length = length as u8;

    let mut fields = Fields(rest.get(2..)?);
    // The numbers are those of proc_pid_stat(5); `state`, field 3, is behind us.
    stat.parent = u32::try_from(fields.next()?).unwrap_or(0);
    fields.skip(4)?; // pgrp session tty_nr tpgid
    stat.kernel_thread = fields.next()? & KERNEL_THREAD != 0;
    stat.minor_faults = fields.next()?;
    fields.skip(1)?; // cminflt
    stat.major_faults = fields.next()?;
    fields.skip(1)?; // cmajflt
    stat.user = fields.next()?;
    stat.system = fields.next()?;
    fields.skip(4)?; // cutime cstime priority nice
    stat.threads = u32::try_from(fields.next()?).unwrap_or(u32::MAX);
    fields.skip(1)?; // itrealvalue
    stat.start = fields.next()?;
    stat.virtual_size = fields.next()?;
    stat.resident = fields.next()?;
    Some(stat)
}

/// Numbers with single blanks between them.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    /// The next field; a negative number (rss may be one for a moment) counts as 0.
    fn next(&mut self) -> Option<u64> {
        let mut value: u64 = 0;
        let mut negative = false;
        let mut digits = 0;
        for (at, byte) in self.0.iter().enumerate() {
            match byte {
                b'0'..=b'9' => {
                    value = value.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
                    digits += 1;
                }
                b'-' if at == 0 => negative = true,
                b' ' | b'\n' if digits > 0 => {
                    self.0 = &self.0[at + 1..];
                    return Some(if negative { 0 } else { value });
                }
                _ => return None,
            }
        }
        // The last field of a text that was cut may have lost digits.
        None
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        for _ in 0..count {
            self.0 = &self.0[memchr::memchr(b' ', self.0)? + 1..];
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASH: &str = "18022 (bash) S 18021 18022 18022 34816 18022 4194304 1231 22 3 4 17 9 1 2 20 0 1 0 \
        91234 7741440 1203 18446744073709551615 1 1 0 0 0 0 0 3670020 1266777851 0 0 0 17 1 0 0 0 0 0 0 0 0\n";

    #[test]
    fn the_fields_are_those_of_the_man_page() {
        let stat = parse(BASH.as_bytes()).unwrap();
        assert_eq!(stat.name(), b"bash");
        assert_eq!((stat.state, stat.parent, stat.threads), (b'S', 18021, 1));
        assert_eq!((stat.minor_faults, stat.major_faults), (1231, 3));
        assert_eq!((stat.user, stat.system, stat.start), (17, 9, 91234));
        assert_eq!((stat.virtual_size, stat.resident), (7_741_440, 1203));
        assert!(!stat.kernel_thread);
    }

    #[test]
    fn a_name_full_of_brackets_ends_at_the_last_one() {
        let hostile = BASH.replace("(bash)", "() R 1 2 3 (\n)");
        let stat = parse(hostile.as_bytes()).unwrap();
        assert_eq!(stat.name(), b") R 1 2 3 (\n");
        assert_eq!(stat.start, 91234);
    }

    #[test]
    fn a_kernel_thread_is_known_by_its_flag() {
        let text = "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 1 0 0 20 0 1 0 2 0 0 1 0\n";
        let stat = parse(text.as_bytes()).unwrap();
        assert!(stat.kernel_thread);
        assert_eq!(stat.resident, 0);
    }

    #[test]
    fn a_text_that_was_cut_is_none() {
        let line = &BASH.as_bytes()[..BASH.find(" 184467").unwrap()];
        for end in 0..=line.len() {
            assert_eq!(parse(&line[..end]), None, "{:?}", String::from_utf8_lossy(&line[..end]));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn any_name_leaves_the_fields_whole(name in proptest::collection::vec(1_u8..=255, 0..64)) {
            let mut text = b"1 (".to_vec();
            text.extend(&name);
            text.extend(&BASH.as_bytes()[BASH.find(')').unwrap()..]);
            let stat = parse(&text).unwrap();
            prop_assert_eq!(stat.start, 91234);
            prop_assert_eq!(stat.name(), &name[..name.len().min(16)]);
        }
    }
}
