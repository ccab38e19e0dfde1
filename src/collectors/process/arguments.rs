//! Command lines without their secrets.
//!
//! The arguments are scrubbed one by one, as the kernel has them, never as one text: where they are joined
//! first, quotes and `-pSECRET` escape. This is a net and not a wall (no rule knows every secret), so command
//! lines are off by default, and `keys_only` keeps no value at all.

use std::sync::LazyLock;

use regex::Regex;

/// What stands in the place of a secret.
const HIDDEN: &str = "***";

/// A command line is cut to this many characters.
const LONGEST: usize = 1024;

/// Of arguments that are longer than this many bytes (a page, which is all that `/proc` told for many years) only the
/// whole ones within are looked at: a thousand times what is shown would cost more than all other processes.
const LOOKED_AT: usize = 4096;

/// How much of the arguments is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Values of keys that name a secret, and values that look like one, are hidden.
    Scrubbed,
    /// Every value is hidden; program and flags stay.
    KeysOnly,
}

fn expression(text: &str) -> Regex {
    Regex::new(text).expect("the expressions are constants, and every test compiles them")
}

/// What the names of secrets have in them.
const NAMES: &str = r"pass[-_]?(?:word|wd|phrase|code)|passwd|secret|token|api[-_.]?key|access[-_.]?key|credential|auth|cookie|private|session|dsn|conn(?:ection)?[-_.]?str|pwd|bearer|signature";

/// Names of keys whose value is a secret.
static KEY: LazyLock<Regex> = LazyLock::new(|| expression(&format!(r"(?i)(?:{NAMES}|pass$)")));

/// A key and its value within a text of another language: JSON, a connection string, a query.
static WITHIN: LazyLock<Regex> = LazyLock::new(|| {
    expression(&format!(
        r#"(?i)([A-Za-z0-9_.-]*(?:{NAMES}|\bpass|\bkey)[A-Za-z0-9_.-]*["']?\s*[:=]\s*["']?)[^"'\s,;&}}]+"#
    ))
});

/// The password within an URL: `scheme://user:password@host`.
static USERINFO: LazyLock<Regex> = LazyLock::new(|| expression(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/?#\s]*@"));

/// Values that are a secret by their look: JSON web tokens, PEM, the tokens of known services, and long runs
/// of base64 or hexadecimal digits.
static VALUE: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+)*|gh[opusr]_[A-Za-z0-9]{16,}|(?:github_pat_|glpat-|xox[a-z]-)[A-Za-z0-9_-]*|AKIA[A-Z0-9]{12,}|\bsk-[A-Za-z0-9_-]{8,}|[A-Za-z0-9+/_=-]{32,}",
    )
});

/// `key=value`, `key:value`, as one argument, with what leads to the key (`--`, `-D`).
static PAIR: LazyLock<Regex> =
    LazyLock::new(|| expression(r"(?s)^(-{0,2}[A-Za-z_][A-Za-z0-9_.\-\[\]]*)([=:])(.*)$"));

/// Programs and flags whose secrets have no key.
struct Special {
    program: &'static str,
    flag: &'static str,
}

const SPECIAL: [Special; 12] = [
    Special { program: "mysql", flag: "-p" },
    Special { program: "mysqldump", flag: "-p" },
    Special { program: "mysqladmin", flag: "-p" },
    Special { program: "mariadb", flag: "-p" },
    Special { program: "sshpass", flag: "-p" },
    Special { program: "curl", flag: "-u" },
    Special { program: "curl", flag: "-U" },
    Special { program: "curl", flag: "-b" },
    Special { program: "redis-cli", flag: "-a" },
    Special { program: "ldapsearch", flag: "-w" },
    Special { program: "smbclient", flag: "-U" },
    Special { program: "docker", flag: "-p" },
];

/// The arguments of a process as one text without secrets; none where there are none (kernel threads).
pub(super) fn render(cmdline: &[u8], form: Form) -> Option<String> {
    let text = String::from_utf8_lossy(beginning(cmdline));
    let arguments: Vec<&str> = text.trim_end_matches('\0').split('\0').collect();
    if arguments.iter().all(|argument| argument.is_empty()) {
        return None;
    }
    let shown = match form {
        Form::Scrubbed => scrub(&arguments),
        Form::KeysOnly => keys_only(&arguments),
    };
    let mut line = shown.join(" ");
    line = line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    Some(line)
}

/// The arguments that are looked at, without one that was cut: half a secret is no longer known as one. Of a single
/// long one that is the words, and where it is one word, nothing but that there is one.
fn beginning(cmdline: &[u8]) -> &[u8] {
    let Some(cut) = cmdline.get(..LOOKED_AT).filter(|cut| cut.len() < cmdline.len()) else { return cmdline };
    let end_at = |end: fn(&u8) -> bool| cut.iter().rposition(end).filter(|at| *at > 0);
    let whole = end_at(|byte| *byte == 0).or_else(|| end_at(u8::is_ascii_whitespace));
    whole.map_or(HIDDEN.as_bytes(), |at| &cut[..at])
}

/// The first argument is a path in most cases, and a whole line in some (setproctitle).
fn scrub(arguments: &[&str]) -> Vec<String> {
    let first = arguments.first().map(|first| if first.contains(' ') { words(first) } else { url(first) });
    first.into_iter().chain(after_program(arguments)).collect()
}

fn url(text: &str) -> String {
    USERINFO.replace_all(text, format!("${{1}}{HIDDEN}@")).into_owned()
}

fn after_program(arguments: &[&str]) -> Vec<String> {
    let program = arguments.first().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let mut out = Vec::with_capacity(arguments.len());
    let mut hide_next = false;
    for (at, argument) in arguments.iter().enumerate().skip(1) {
        if std::mem::take(&mut hide_next) {
            out.push(HIDDEN.to_owned());
            // The value of a key may itself be a flag that was meant as one: `--password --verbose`.
            hide_next = argument.starts_with('-') && KEY.is_match(argument) && !argument.contains('=');
            continue;
        }
        if let Some(special) = SPECIAL.iter().find(|s| s.program == program && argument.starts_with(s.flag)) {
            let attached = argument.len() > special.flag.len() && !argument.starts_with("--");
            if attached {
                out.push(format!("{}{HIDDEN}", special.flag));
                continue;
            }
            if *argument == special.flag {
                out.push(special.flag.to_owned());
                hide_next = true;
                continue;
            }
        }
        // The value of a flag that names a secret follows it; so does that of `-H`, a header.
        let names_secret =
            argument.starts_with('-') && !argument.contains(['=', ':']) && KEY.is_match(argument);
        hide_next = names_secret || ["-H", "--header"].contains(argument) && header(arguments.get(at + 1));
        out.push(one(argument));
    }
    out
}

/// Whether a header's name says that its value is a secret.
fn header(value: Option<&&str>) -> bool {
    value.is_some_and(|value| value.split(':').next().is_some_and(|name| KEY.is_match(name)))
}

/// One argument on its own.
fn one(argument: &str) -> String {
    if let Some((before, _key)) = argument.split_once("-----BEGIN") {
        return format!("{}{HIDDEN}", one(before));
    }
    if let Some(pair) = PAIR.captures(argument) {
        let (key, separator, value) = (&pair[1], &pair[2], &pair[3]);
        // `https://…` is an URL and no pair.
        if KEY.is_match(key) && !value.is_empty() && !value.starts_with("//") {
            return format!("{key}{separator}{HIDDEN}");
        }
    }
    if argument.contains(' ') { words(argument) } else { inner(argument) }
}

/// A text without blanks that may hold an URL, keys with values, or a secret by its look.
fn inner(text: &str) -> String {
    let text = url(text);
    let text = WITHIN.replace_all(&text, format!("${{1}}{HIDDEN}"));
    VALUE.replace_all(&text, looks_secret).into_owned()
}

/// A command line within an argument: `sh -c`, or a title that a process gave itself.
fn words(argument: &str) -> String {
    let words: Vec<&str> = argument.split(' ').collect();
    let mut out = vec![inner(words[0])];
    out.extend(after_program(&words));
    out.join(" ")
}

/// A long run is a secret unless it is plainly a path or words.
fn looks_secret(found: &regex::Captures<'_>) -> String {
    let text = &found[0];
    let is_path =
        text.contains('/') && !text.contains(['+', '=']) && text.split('/').all(|part| part.len() < 32);
    let is_words =
        !text.contains(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase() || "+/=".contains(c));
    let known = ["eyJ", "sk-", "gh", "glpat-", "xox"].iter().any(|start| text.starts_with(start));
    if (is_path || is_words) && !known { text.to_owned() } else { HIDDEN.to_owned() }
}

/// The program and its flags; every value is hidden.
fn keys_only(arguments: &[&str]) -> Vec<String> {
    let mut out = Vec::with_capacity(arguments.len());
    for (at, argument) in arguments.iter().enumerate() {
        let first = argument.split(' ').next().unwrap_or_default();
        out.push(match (at, argument.strip_prefix("--"), argument.strip_prefix('-')) {
            (0, _, _) if first == *argument => first.to_owned(),
            (0, _, _) => format!("{first} {HIDDEN}"),
            (_, Some(long), _) if long.contains('=') => {
                format!("--{}={HIDDEN}", long.split('=').next().unwrap_or_default())
            }
            (_, Some(long), _) if flag_name(long) => format!("--{long}"),
            // A short flag may have its value attached.
            (_, None, Some(short)) if short.chars().count() == 1 => format!("-{short}"),
            (_, None, Some(short)) if short.starts_with(char::is_alphabetic) => {
                format!("-{}{HIDDEN}", short.chars().next().unwrap_or_default())
            }
            _ => HIDDEN.to_owned(),
        });
    }
    out
}

fn flag_name(text: &str) -> bool {
    text.len() < 32 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scrubbed(arguments: &[&str]) -> String {
        render(arguments.join("\0").as_bytes(), Form::Scrubbed).unwrap()
    }

    /// Command lines with a canary in the place of the secret.
    const CANARIES: &[&[&str]] = &[
        &["app", "--password", "CANARY1"],
        &["app", "--password=CANARY1"],
        &["app", "--db-passwd=CANARY1", "--verbose"],
        &["app", "--api-key", "CANARY1"],
        &["app", "--apikey=CANARY1"],
        &["app", "-api_key", "CANARY1"],
        &["app", "--passphrase", "two words CANARY1"],
        &["java", "-Ddb.password=CANARY1", "-jar", "a.jar"],
        &["java", "-Djavax.net.ssl.keyStorePassword=CANARY1"],
        &["app", "PASSWORD=CANARY1"],
        &["env", "AWS_SECRET_ACCESS_KEY=CANARY1", "run"],
        &["app", "token:CANARY1"],
        &["mysql", "-pCANARY1"],
        &["/usr/bin/mysqldump", "-u", "root", "-pCANARY1", "db"],
        &["mysql", "--password=CANARY1"],
        &["curl", "-u", "user:CANARY1", "https://h/"],
        &["curl", "-uuser:CANARY1", "https://h/"],
        &["curl", "-H", "Authorization: Bearer CANARY1"],
        &["curl", "--header", "X-Api-Key: CANARY1"],
        &["curl", "-HAuthorization: Bearer CANARY1"],
        &["curl", "-b", "session=CANARY1"],
        &["sshpass", "-p", "CANARY1", "ssh", "h"],
        &["sshpass", "-pCANARY1", "ssh", "h"],
        &["redis-cli", "-a", "CANARY1"],
        &["psql", "postgres://user:CANARY1@host/db"],
        &["psql", "host=h password=CANARY1 user=u"],
        &["app", "--dsn", "user:CANARY1@tcp(h)/db"],
        &["app", "--url=https://user:CANARY1@h/?a=b"],
        &["app", "https://h/?token=CANARY1&a=b"],
        &["app", "Server=h;User=u;Password=CANARY1;"],
        &["app", "--connection-string", "Endpoint=x;Key=CANARY1"],
        &["app", "eyJhbGciOiJIUzI1NiJ9.eyJDQU5BUlkxIjoxfQ.CANARY1"],
        &["app", "ghp_CANARY1CANARY1CANARY1"],
        &["app", "AKIACANARY1CANARY1"],
        &["app", "sk-CANARY1CANARY1"],
        &["app", "0123456789abcdef0123456789abcdefCANARY1"],
        &["postgres: worker password=CANARY1 idle"],
        &["app --token CANARY1 --port 80"],
        &["app", "--cookie", "CANARY1"],
        &["app", "-----BEGIN PRIVATE KEY-----\nCANARY1\n-----END PRIVATE KEY-----"],
        &["app", "xoxb-CANARY1"],
        &["app", "glpat-CANARY1"],
        &["app", "--private-key", "CANARY1"],
        &["app", "{\"password\":\"CANARY1\"}"],
        &["sh", "-c", "login --password CANARY1 now"],
        &["sh", "-c", "curl -u me:CANARY1 https://h"],
    ];

    #[test]
    fn of_arguments_without_end_the_whole_ones_at_the_beginning_are_looked_at() {
        let long = "x ".repeat(LOOKED_AT);
        let shown = |text: &str| render(text.as_bytes(), Form::Scrubbed).unwrap();
        assert_eq!(shown(&format!("prog\0--verbose\0{long}")), "prog --verbose");
        // The token lies across the edge, and most of what is before it is hidden.
        let value = "y".repeat(LOOKED_AT - 40);
        assert_eq!(
            shown(&format!("prog\0--password\0{value}\0--key\0AKIA0123456789012345")),
            "prog --password *** --key"
        );
        assert_eq!(shown(&"z".repeat(LOOKED_AT + 1)), HIDDEN);
        assert!(shown(&long).starts_with("x x x"));
        assert_eq!(beginning(&long.as_bytes()[..LOOKED_AT]).len(), LOOKED_AT);
    }

    #[test]
    fn no_canary_gets_through() {
        for arguments in CANARIES {
            for form in [Form::Scrubbed, Form::KeysOnly] {
                let line = render(arguments.join("\0").as_bytes(), form).unwrap();
                assert!(!line.contains("CANARY1"), "{arguments:?} became {line:?}");
            }
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        let line = ["/usr/sbin/nginx", "-g", "daemon off;", "--config=/etc/nginx/nginx.conf", "-p", "80"];
        assert_eq!(scrubbed(&line), line.join(" "));
        let path = ["java", "-cp", "/opt/application/libraries/production/current/main.jar", "Main"];
        assert_eq!(scrubbed(&path), path.join(" "));
        assert_eq!(scrubbed(&["app", "--password=x", "--port=80"]), "app --password=*** --port=80");
    }

    #[test]
    fn only_keys_are_kept_when_only_keys_are_asked_for() {
        let line = ["app", "--port=80", "--verbose", "file.txt", "-n5", "-v"].join("\0");
        let shown = render(line.as_bytes(), Form::KeysOnly).unwrap();
        assert_eq!(shown, "app --port=*** --verbose *** -n*** -v");
    }

    #[test]
    fn a_process_without_arguments_has_none() {
        assert_eq!(render(b"", Form::Scrubbed), None);
        assert_eq!(render(b"\0\0", Form::Scrubbed), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = render(&bytes, Form::Scrubbed);
            let _ = render(&bytes, Form::KeysOnly);
        }

        #[test]
        fn the_value_after_a_key_is_hidden_wherever_it_stands(
            before in proptest::collection::vec("[a-z]{1,8}", 0..4),
            key in prop::sample::select(vec!["--password", "--token", "--client-secret", "--api-key"]),
            value in "[a-z0-9]{4,20}q7Zx",
            equals in any::<bool>(),
        ) {
            let mut arguments: Vec<String> = vec!["app".to_owned()];
            arguments.extend(before);
            if equals {
                arguments.push(format!("{key}={value}"));
            } else {
                arguments.extend([key.to_owned(), value.clone()]);
            }
            let line = render(arguments.join("\0").as_bytes(), Form::Scrubbed).unwrap();
            prop_assert!(!line.contains(&value), "{}", line);
        }
    }
}
