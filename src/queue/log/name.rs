//! The names of the log's files.

const ENDING: &str = ".log";

/// What is begun and has not got its name yet.
pub(super) const UNFINISHED: &str = ".new";

/// A segment that nothing could be read from, kept for somebody to look at.
pub(super) const CORRUPT: &str = ".corrupt";

/// A segment of a version that this program does not know.
pub(super) const UNKNOWN: &str = ".unknown";

/// What a name in the directory stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Name {
    Segment(u64),
    Unfinished,
    Aside,
    /// Not one of the log's.
    Other,
}

impl Name {
    pub(super) fn of(name: &str) -> Self {
        let base = |ending| name.strip_suffix(ending).and_then(number);
        if let Some(number) = number(name) {
            Name::Segment(number)
        } else if base(CORRUPT).or_else(|| base(UNKNOWN)).is_some() {
            Name::Aside
        } else if base(UNFINISHED).is_some() {
            Name::Unfinished
        } else {
            Name::Other
        }
    }

    /// The name of a segment. The width is that of the largest number, so that names sort as numbers do.
    pub(super) fn segment(number: u64) -> String {
        format!("{number:020}{ENDING}")
    }
}

fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(ENDING).filter(|digits| digits.len() == 20)?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_ours() {
        for number in [0, 7, u64::MAX] {
            let name = Name::segment(number);
            assert_eq!(Name::of(&name), Name::Segment(number));
            assert_eq!(Name::of(&format!("{name}.new")), Name::Unfinished);
            assert_eq!(Name::of(&format!("{name}.corrupt")), Name::Aside);
            assert_eq!(Name::of(&format!("{name}.unknown")), Name::Aside);
        }
        let strange = [
            "",
            ".log",
            "7.log",
            "99999999999999999999.log",
            "+0000000000000000007.log",
            "x.corrupt",
            "a.new",
        ];
        for name in strange {
            assert_eq!(Name::of(name), Name::Other, "{name}");
        }
    }
}
