//! Regular expressions over what is known of a process: the filters and the rules of groups.

use std::sync::Arc;

use regex::Regex;

use super::facts::Facts;

/// What an expression is applied to, the cheapest to read first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    /// The kernel's name, known already.
    Name,
    /// The owner: one system call.
    Owner,
    /// The path of the executable: one system call, and a permission.
    Executable,
    /// The path of the cgroup: a small file.
    Cgroup,
    /// The arguments, separated by blanks: a file of any length.
    Arguments,
}

const FIELDS: [(&str, Field); 5] = [
    ("name", Field::Name),
    ("owner", Field::Owner),
    ("executable", Field::Executable),
    ("cgroup", Field::Cgroup),
    ("arguments", Field::Arguments),
];

/// One `field=expression`.
#[derive(Debug)]
struct Condition {
    field: Field,
    expression: Regex,
}

impl Condition {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        let text = match self.field {
            Field::Name => Some(facts.name()),
            Field::Owner => facts.owner(),
            Field::Executable => facts.executable_path(),
            Field::Cgroup => facts.cgroup(),
            Field::Arguments => facts.arguments(),
        };
        text.is_some_and(|text| self.expression.is_match(text))
    }
}

/// Several conditions, all of which have to hold; the cheapest is tried first.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Condition>);

impl Pattern {
    /// Parses `field=expression`, several of them separated by blanks.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut starts: Vec<(usize, usize, Field)> = Vec::new();
        for (name, field) in FIELDS {
            let key = format!("{name}=");
            let found = text
                .match_indices(&key)
                .filter(|(at, _)| *at == 0 || text[..*at].ends_with(char::is_whitespace));
            starts.extend(found.map(|(at, key)| (at, at + key.len(), field)));
        }
        starts.sort_unstable();
        if starts.first().is_none_or(|(at, _, _)| !text[..*at].trim().is_empty()) {
            let fields = FIELDS.map(|(name, _)| name).join(", ");
            return Err(format!(
                "expected <field>=<regular expression> with a field of {fields}, found {text:?}"
            ));
        }
        let ends = starts.iter().skip(1).map(|(at, _, _)| *at).chain([text.len()]);
        let mut conditions = Vec::with_capacity(starts.len());
        for ((_, from, field), to) in starts.iter().zip(ends) {
            let expression = Regex::new(text[*from..to].trim()).map_err(|e| format!("{text:?}: {e}"))?;
            conditions.push(Condition { field: *field, expression });
        }
        conditions.sort_by_key(|condition| condition.field);
        Ok(Self(conditions))
    }

    /// Whether all conditions hold. What may not be read matches nothing.
    pub(super) fn matches(&self, facts: &Facts<'_>) -> bool {
        self.0.iter().all(|condition| condition.matches(facts))
    }

    fn cost(&self) -> Option<Field> {
        self.0.last().map(|condition| condition.field)
    }
}

/// Who may be shown alone.
#[derive(Debug, Default)]
pub(super) struct Filter {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

impl Filter {
    pub(super) fn parse(include: &[String], exclude: &[String]) -> Result<Self, String> {
        let parse = |texts: &[String]| -> Result<Vec<Pattern>, String> {
            let mut patterns =
                texts.iter().map(|text| Pattern::parse(text)).collect::<Result<Vec<_>, _>>()?;
            patterns.sort_by_key(Pattern::cost);
            Ok(patterns)
        };
        Ok(Self { include: parse(include)?, exclude: parse(exclude)? })
    }

    /// Whether there is nothing to ask.
    pub(super) fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// Whether a process may be shown: in one of `include`, where there is any, and in none of `exclude`.
    pub(super) fn allows(&self, facts: &Facts<'_>) -> bool {
        !self.exclude.iter().any(|pattern| pattern.matches(facts))
            && (self.include.is_empty() || self.include.iter().any(|pattern| pattern.matches(facts)))
    }
}

/// A named group and who belongs to it.
#[derive(Debug)]
pub(super) struct Rule {
    pub group: Arc<str>,
    pub pattern: Pattern,
}

impl Rule {
    /// Parses `group: field=expression ...`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (group, pattern) = text
            .split_once(':')
            .map(|(group, pattern)| (group.trim(), pattern.trim()))
            .filter(|(group, _)| !group.is_empty())
            .ok_or_else(|| format!("expected <group>: <field>=<regular expression>, found {text:?}"))?;
        Ok(Self { group: group.into(), pattern: Pattern::parse(pattern)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pattern_is_fields_with_expressions() {
        let pattern = Pattern::parse("arguments=--role=web name=^java$").unwrap();
        let fields: Vec<_> = pattern.0.iter().map(|c| (c.field, c.expression.as_str())).collect();
        assert_eq!(fields, [(Field::Name, "^java$"), (Field::Arguments, "--role=web")]);
    }

    #[test]
    fn a_pattern_that_is_none_says_what_was_expected() {
        assert!(Pattern::parse("nginx").unwrap_err().contains("name, owner, executable, cgroup, arguments"));
        assert!(Pattern::parse("x name=a").unwrap_err().contains("found \"x name=a\""));
        assert!(Pattern::parse("name=(").unwrap_err().contains("unclosed group"));
        assert!(Rule::parse(": name=a").unwrap_err().contains("expected <group>"));
        assert_eq!(&*Rule::parse("web: name=nginx|httpd").unwrap().group, "web");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = Rule::parse(&text);
            let _ = Pattern::parse(&text);
        }
    }
}
