//! The operating system's own description, from `os-release` (os-release(5)).

/// What `os-release` says, as it is shown to people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OsRelease {
    /// `NAME`: `Debian GNU/Linux`.
    pub(super) name: Option<String>,
    /// `VERSION_ID`: `12`. Rolling distributions have none and say so in `BUILD_ID`.
    pub(super) version: Option<String>,
    /// `PRETTY_NAME`: `Debian GNU/Linux 12 (bookworm)`.
    pub(super) pretty_name: Option<String>,
}

/// Reads the assignments. Lines of another shape are passed over: the file is for people to edit, too.
pub(super) fn parse(text: &str) -> OsRelease {
    let mut found = OsRelease::default();
    let mut build_id = None;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let Some((key, value)) = line.split_once('=') else { continue };
        let value = Some(unquote(value)).filter(|value| !value.is_empty());
        match key {
            "NAME" => found.name = value,
            "VERSION_ID" => found.version = value,
            "PRETTY_NAME" => found.pretty_name = value,
            "BUILD_ID" => build_id = value,
            _ => {}
        }
    }
    found.version = found.version.or(build_id);
    found
}

/// The value of a shell assignment: words in single or double quotes or none, a backslash taking the meaning
/// from the next character except in single quotes, where it has none itself.
fn unquote(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut quote = None;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None) => out.extend(chars.next()),
            // Within double quotes a backslash stays where the next character has no meaning of its own.
            ('\\', Some('"')) => match chars.next() {
                Some(next @ ('"' | '\\' | '$' | '`')) => out.push(next),
                next => {
                    out.push('\\');
                    out.extend(next);
                }
            },
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            (c, None) if c.is_whitespace() => break,
            (c, _) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn debian_12() {
        let os = parse(
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n\
             VERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n",
        );
        assert_eq!(os.name.as_deref(), Some("Debian GNU/Linux"));
        assert_eq!(os.version.as_deref(), Some("12"));
        assert_eq!(os.pretty_name.as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
    }

    #[test]
    fn a_rolling_distribution_has_its_build_as_version() {
        let os = parse("NAME=\"Arch Linux\"\nPRETTY_NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling\n");
        assert_eq!(os.version.as_deref(), Some("rolling"));
    }

    #[test]
    fn quotes_escapes_comments_and_empty_values() {
        let os = parse(
            "# NAME=no\nNAME='It'\\''s $HOME'\nPRETTY_NAME=\"a \\\"b\\\" \\$c \\d\"\nVERSION_ID=\nodd\n",
        );
        assert_eq!(os.name.as_deref(), Some("It's $HOME"));
        assert_eq!(os.pretty_name.as_deref(), Some("a \"b\" $c \\d"));
        assert_eq!(os.version, None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(NAME=)?[\"'\\\\ a\n=#]*.*") {
            let _ = parse(&text);
        }
    }
}
