//! Findings, for people and for programs.

use std::fmt::Write;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// Something is missing, or not wise.
    Warning,
    /// Something does not work.
    Problem,
}

/// What a check has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub check: &'static str,
    pub verdict: Verdict,
    pub found: String,
    /// Empty where there is nothing to do.
    pub remedy: String,
}

impl Finding {
    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), remedy: String::new() }
    }

    pub(super) fn warning(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warning, found: found.into(), remedy: remedy.into() }
    }

    pub(super) fn problem(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Problem, found: found.into(), remedy: remedy.into() }
    }
}

/// All findings.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Finding>);

impl Report {
    pub(super) fn add(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    pub(super) fn is_good(&self) -> bool {
        self.count(Verdict::Problem) == 0
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.0.iter().filter(|finding| finding.verdict == verdict).count()
    }

    /// A line for each, the remedy below it.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for Finding { check, verdict, found, remedy } in &self.0 {
            let word = match verdict {
                Verdict::Ok => "ok",
                Verdict::Warning => "warning",
                Verdict::Problem => "PROBLEM",
            };
            let _ = writeln!(out, "{word:<8} {check:<14} {}", one_line(found));
            if !remedy.is_empty() {
                let _ = writeln!(out, "{:24}{}", "", one_line(remedy));
            }
        }
        let _ = writeln!(
            out,
            "{} problems, {} warnings",
            self.count(Verdict::Problem),
            self.count(Verdict::Warning)
        );
        out
    }

    /// An array of objects.
    pub(super) fn json(&self) -> String {
        // Strings and words cannot fail to be JSON.
        serde_json::to_string_pretty(&self.0).unwrap_or_default() + "\n"
    }
}

/// Somebody else's words must not steer a terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_line_a_finding_and_bad_only_with_a_problem() {
        let mut report = Report::default();
        report.add(Finding::ok("clock", "2026"));
        report.add(Finding::warning("user", "root\u{1b}[31m", "another user"));
        assert!(report.is_good());
        assert_eq!(
            report.text(),
            "ok       clock          2026\nwarning  user           root [31m\n                        another user\n\
             0 problems, 1 warnings\n"
        );
        report.add(Finding::problem("endpoint", "refused", ""));
        assert!(!report.is_good());
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json[2]["verdict"], "problem");
        assert_eq!(json[1]["remedy"], "another user");
    }
}
