//! Which of the host's names (devices, mount points, interfaces) a collector shows: globs to include and
//! globs to exclude.

/// Names to show and names to leave out. No name to include means all; leaving out wins.
#[derive(Debug, Default)]
pub(super) struct Filter {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

impl Filter {
    pub(super) fn new(include: Vec<Pattern>, exclude: Vec<Pattern>) -> Self {
        Self { include, exclude }
    }

    /// Whether a name is shown.
    pub(super) fn allows(&self, name: &str) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(name));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}

/// A glob: `*` and `?` match within one part of a path, `**` matches parts, `[a-d]` is one of several
/// characters and `{a,b}` one of several texts. It matches whole names.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Pattern(String);

impl Pattern {
    fn matches(&self, name: &str) -> bool {
        fast_glob::glob_match(&self.0, name)
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match fast_glob::validate(&text) {
            Ok(()) => Ok(Self(text)),
            Err(e) => Err(format!("{text:?} is not a pattern: {e}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let patterns = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned().try_into().unwrap()).collect();
        Filter::new(patterns(include), patterns(exclude))
    }

    #[test]
    fn nothing_included_means_everything() {
        assert!(filter(&[], &[]).allows("sda"));
    }

    #[test]
    fn excluding_wins_over_including() {
        let filter = filter(&["sd[a-c]", "nvme?n1"], &["sdb"]);
        let shown: Vec<_> =
            ["sda", "sdb", "sdd", "nvme0n1", "nvme0n1p1"].into_iter().filter(|n| filter.allows(n)).collect();
        assert_eq!(shown, ["sda", "nvme0n1"]);
    }

    #[test]
    fn two_stars_leave_out_what_is_below_and_not_the_place_itself() {
        let filter = filter(&[], &["/var/lib/docker/**"]);
        assert!(filter.allows("/var/lib/docker") && filter.allows("/var/lib/docker2/x"));
        assert!(!filter.allows("/var/lib/docker/a") && !filter.allows("/var/lib/docker/a/b"));
    }

    #[test]
    fn a_wrong_pattern_is_refused_by_its_text() {
        let error = Pattern::try_from("sd[a-".to_owned()).unwrap_err();
        assert!(error.starts_with(r#""sd[a-" is not a pattern: "#), "{error}");
    }

    proptest! {
        #[test]
        fn no_pattern_and_no_name_panics(pattern in r"[ab/*?!\[\]{},\\-]{0,12}", name in "[ab/]{0,12}") {
            if let Ok(pattern) = Pattern::try_from(pattern) {
                let _ = pattern.matches(&name);
            }
        }
    }
}
