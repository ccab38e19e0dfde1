//! A strict reader of the text format 0.0.4, written from its description and not from our writer.

use std::collections::{BTreeMap, HashSet};

/// The samples of one metric family.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) help: String,
    pub(crate) samples: Vec<(BTreeMap<String, String>, f64)>,
}

/// Reads a page. Whatever Prometheus would refuse, or take in a way that was not meant, panics: a sample
/// outside its family, a bad name, a bad escape, a series or a family twice.
pub(crate) fn read(page: &str) -> BTreeMap<String, Family> {
    assert!(page.ends_with('\n'), "the last line has no end");
    let mut families = BTreeMap::<String, Family>::new();
    let mut current = String::new();
    let mut series = HashSet::new();
    for line in page.split_terminator('\n') {
        if let Some(comment) = line.strip_prefix("# ") {
            let (keyword, rest) = comment.split_once(' ').unwrap();
            let (name, value) = rest.split_once(' ').unwrap();
            check_name(name);
            if name != current {
                assert!(!families.contains_key(name), "{name} twice");
                name.clone_into(&mut current);
            }
            let family = families.entry(current.clone()).or_default();
            assert!(family.samples.is_empty(), "{name}: a comment after the samples");
            match keyword {
                "HELP" => family.help = unescape(value, false),
                "TYPE" => value.clone_into(&mut family.kind),
                other => panic!("{other}"),
            }
        } else {
            let end = line.find(['{', ' ']).unwrap();
            assert_eq!(line[..end], current, "a sample outside its family");
            let (labels, value) = labels(&line[end..]);
            assert!(series.insert((current.clone(), labels.clone())), "a series twice: {line}");
            let family = families.get_mut(&current).unwrap();
            assert!(["gauge", "counter"].contains(&family.kind.as_str()), "{}", family.kind);
            family.samples.push((labels, value.parse().unwrap()));
        }
    }
    families
}

fn labels(text: &str) -> (BTreeMap<String, String>, &str) {
    let mut labels = BTreeMap::new();
    let Some(mut rest) = text.strip_prefix('{') else { return (labels, text.strip_prefix(' ').unwrap()) };
    loop {
        let (name, quoted) = rest.split_once("=\"").unwrap();
        check_name(name);
        assert!(!name.contains(':') && !name.starts_with("__"), "{name}");
        let end = end_of_quotation(quoted);
        // An empty label is an absent one.
        let value = unescape(&quoted[..end], true);
        assert!(value.is_empty() || labels.insert(name.to_owned(), value).is_none(), "{name} twice");
        rest = &quoted[end + 1..];
        match rest.split_at(1) {
            (",", more) => rest = more,
            ("}", more) => return (labels, more.strip_prefix(' ').unwrap()),
            (other, _) => panic!("{other:?} after a label"),
        }
    }
}

fn end_of_quotation(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !escaped => return at,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    panic!("the quotation has no end: {text}");
}

fn unescape(text: &str, quotes: bool) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('\\') => out.push('\\'),
                Some('"') if quotes => out.push('"'),
                other => panic!("\\{other:?} is no escape"),
            },
            c => out.push(c),
        }
    }
    out
}

fn check_name(name: &str) {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    assert!(name.starts_with(begins), "{name:?}");
    assert!(name.chars().all(|c| begins(c) || c.is_ascii_digit()), "{name:?}");
}
