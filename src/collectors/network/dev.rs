//! The text of `/proc/net/dev` (proc_pid_net(5)).

use std::sync::Arc;

use crate::host::ParseError;
use crate::host::text::{self, Rows};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) name: Arc<str>,
    pub(super) received: Counters,
    pub(super) sent: Counters,
}

/// The counters of one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) bytes: u64,
    pub(super) packets: u64,
    pub(super) errors: u64,
    pub(super) dropped: u64,
}

/// The lines after the two of the heading: a name, a colon, and 8 counters for each direction.
pub(super) fn parse(text: &str) -> Result<Rows<Interface>, ParseError> {
    text::rows(text, 2, interface)
}

/// Old kernels write no blank after the colon, and allow one in a name (`eth0:1`), so the last one counts.
fn interface(number: usize, line: &str) -> Result<Interface, ParseError> {
    const EXPECTED: &str = "an interface, a colon and 16 counters";
    let (name, counters) = line
        .rsplit_once(':')
        .filter(|(name, _)| !name.trim().is_empty())
        .ok_or_else(|| ParseError::new(number, line, EXPECTED))?;
    let mut fields = counters.split_ascii_whitespace();
    let mut direction = || {
        let mut next = || text::number(fields.next(), number, line, EXPECTED);
        let counters = Counters { bytes: next()?, packets: next()?, errors: next()?, dropped: next()? };
        // The other four are parts of the errors, or of no direction.
        (0..4).try_for_each(|_| next().map(|_| ()))?;
        Ok(counters)
    };
    Ok(Interface { name: name.trim_start().into(), received: direction()?, sent: direction()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADING: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
";

    fn of(lines: &str) -> Result<Vec<Interface>, ParseError> {
        parse(&format!("{HEADING}{lines}")).map(|found| found.rows)
    }

    #[test]
    fn every_counter_has_its_column() {
        let line = "  eth0: 5064 34277    1    2    3     4          5         6  2724   25963    7    8    9      10       11          12\n";
        let expected = Interface {
            name: "eth0".into(),
            received: Counters { bytes: 5064, packets: 34277, errors: 1, dropped: 2 },
            sent: Counters { bytes: 2724, packets: 25963, errors: 7, dropped: 8 },
        };
        assert_eq!(of(line), Ok(vec![expected]));
    }

    #[test]
    fn old_kernels_write_no_blank_after_the_colon() {
        let found = of("  eth0:18446744073709551615 1 0 0 0 0 0 0 2 2 0 0 0 0 0 0\n").unwrap();
        assert_eq!((&*found[0].name, found[0].received.bytes), ("eth0", u64::MAX));
    }

    #[test]
    fn a_name_may_hold_anything_but_blanks_and_slashes() {
        let found =
            of("eth0:1:1 1 0 0 0 0 0 0 2 2 0 0 0 0 0 0\n\u{fffd}-é=\": 1 1 0 0 0 0 0 0 2 2 0 0 0 0 0 0\n");
        let names: Vec<_> = found.unwrap().into_iter().map(|found| found.name).collect();
        assert_eq!(names, [Arc::from("eth0:1"), Arc::from("\u{fffd}-é=\"")]);
    }

    #[test]
    fn a_cut_line_says_what_was_expected() {
        let error = of("lo: 1 1 0 0 0 0 0 0 2 2 0 0 0 0 0").unwrap_err();
        assert_eq!((error.line, error.expected), (3, "an interface, a colon and 16 counters"));
        assert!(of("lo 1 1 0 0 0 0 0 0 2 2 0 0 0 0 0 0").is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(lines in r"([a-z0-9: -]{0,60}\n?){0,4}", any in ".*") {
            let _ = of(&lines);
            let _ = parse(&any);
        }
    }
}
