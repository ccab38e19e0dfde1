//! From the text of a YAML file to a tree that knows the line of every key.
//!
//! Built from the parser's events rather than by serde, because serde would have decided already that `1.10`
//! is the number 1.1, and would keep one of two keys of the same name.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Tag};

/// More nodes than any configuration has; what nested aliases could grow to has to end somewhere.
const MAX_NODES: usize = 50_000;

/// A value and the line on which it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) data: Data,
}

/// What stands there.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Data {
    /// `key:` without a value, `~` or `null`.
    Nothing,
    /// A text as written, without its quotes.
    Scalar(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the file, with each key as often as it stands there.
    Map(Vec<(Key, Node)>),
}

/// A key and its line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub(super) line: usize,
    pub(super) name: String,
}

/// Why a text is no YAML of ours.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    /// The line, and the column where it is known, as in `12` and `12:3`.
    pub(super) place: String,
    pub(super) message: String,
}

/// What [`parse`] makes of one plain word or an empty collection, without a parser: nearly all defaults are such, and
/// a parser for each was a fifth of the start. None where it takes a parser to know.
pub(super) fn plain(text: &str) -> Option<Node> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'/');
    let data = match text {
        "[]" => Data::List(Vec::new()),
        "{}" => Data::Map(Vec::new()),
        // A word that is nothing begins like this one, and so may a document end.
        _ if text.is_empty() || text.starts_with(['n', 'N', '.']) => return None,
        _ if text.bytes().all(is_plain) => Data::Scalar(text.to_owned()),
        _ => return None,
    };
    Some(Node { line: 1, data })
}

/// A collection whose end has not been read yet.
struct Open {
    line: usize,
    anchor: usize,
    data: Data,
    /// The key whose value comes next.
    key: Option<Key>,
}

/// The tree of the only document of a text; an empty text is [`Data::Nothing`].
pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    let mut root = None;
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, Node> = HashMap::new();
    let mut nodes = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let place = format!("{}:{}", error.marker().line(), error.marker().col() + 1);
            // What the parser says is right and helps nobody who wrote `name: a: b`.
            let hint = match error.kind() {
                ErrorKind::MappingValueNotAllowed => "; a text with \": \" in it stands in quotes",
                _ => "",
            };
            Fault { place, message: format!("not YAML: {}{hint}", error.info()) }
        })?;
        let line = span.start.line();
        let fault = |message: &str| Fault { place: line.to_string(), message: message.to_owned() };
        if let Some(tag) = event.tag().filter(|tag| !tag.is_yaml_core_schema()) {
            return Err(fault(&format!("YAML tags such as {:?} are not supported", tag.original())));
        }
        let (anchor, node) = match event {
            Event::DocumentStart(..) if root.is_some() => {
                return Err(fault("expected one YAML document, found a second one"));
            }
            Event::Scalar(text, style, anchor, tag) => (anchor, scalar(line, &text, style, tag.as_deref())),
            Event::SequenceStart(_, anchor, _) => {
                open.push(Open { line, anchor, data: Data::List(Vec::new()), key: None });
                continue;
            }
            Event::MappingStart(_, anchor, _) => {
                open.push(Open { line, anchor, data: Data::Map(Vec::new()), key: None });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(done) = open.pop() else { continue };
                (done.anchor, Node { line: done.line, data: done.data })
            }
            Event::Alias(anchor) => {
                let node = anchors.get(&anchor).ok_or_else(|| fault("an alias of what it stands in"))?;
                (0, node.clone())
            }
            _ => continue,
        };
        // Counted at the end of every collection: what is nested deeply or copied by an alias counts as
        // often as it is held in memory.
        nodes += size(&node);
        if nodes > MAX_NODES {
            return Err(fault(&format!("more than {MAX_NODES} values")));
        }
        if anchor > 0 {
            anchors.insert(anchor, node.clone());
        }
        match open.last_mut() {
            None => root = Some(node),
            Some(parent) => parent.take(node).map_err(fault)?,
        }
    }
    Ok(root.unwrap_or(Node { line: 1, data: Data::Nothing }))
}

impl Open {
    fn take(&mut self, node: Node) -> Result<(), &'static str> {
        match (&mut self.data, self.key.take(), node) {
            (Data::List(items), _, node) => items.push(node),
            (Data::Map(entries), Some(key), node) => entries.push((key, node)),
            (_, _, Node { line, data: Data::Scalar(name) }) => self.key = Some(Key { line, name }),
            (_, _, Node { line, data: Data::Nothing }) => {
                self.key = Some(Key { line, name: String::new() });
            }
            _ => return Err("expected a word as the key, found a list or a section"),
        }
        Ok(())
    }
}

/// A plain `null` is nothing; a quoted one is a text.
fn scalar(line: usize, text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Node {
    let plain = style == ScalarStyle::Plain && tag.is_none_or(|tag| tag.is_yaml_core_schema_tag("null"));
    let data = match text {
        "" | "~" | "null" | "Null" | "NULL" if plain => Data::Nothing,
        text => Data::Scalar(text.to_owned()),
    };
    Node { line, data }
}

fn size(node: &Node) -> usize {
    match &node.data {
        Data::Nothing | Data::Scalar(_) => 1,
        Data::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Data::Map(entries) => 1 + entries.iter().map(|(_, node)| size(node)).sum::<usize>(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::known;
    use super::*;

    /// The tree in one line, with the line of each key and value.
    fn told(node: &Node) -> String {
        let Node { line, data } = node;
        match data {
            Data::Nothing => format!("{line}:-"),
            Data::Scalar(text) => format!("{line}:{text:?}"),
            Data::List(items) => {
                format!("{line}:[{}]", items.iter().map(told).collect::<Vec<_>>().join(" "))
            }
            Data::Map(entries) => {
                let entries =
                    entries.iter().map(|(key, node)| format!("{}:{}={}", key.line, key.name, told(node)));
                format!("{line}:{{{}}}", entries.collect::<Vec<_>>().join(" "))
            }
        }
    }

    fn read(text: &str) -> String {
        parse(text).map_or_else(|fault| format!("{}: {}", fault.place, fault.message), |node| told(&node))
    }

    #[test]
    fn every_key_knows_its_line() {
        let text = "# comment\na:\n  b: 1.10 # comment\n  c: [x,\n    'y']\nd: {e: true}\n";
        assert_eq!(read(text), r#"2:{2:a=3:{3:b=3:"1.10" 4:c=4:[4:"x" 5:"y"]} 6:d=6:{6:e=6:"true"}}"#);
        assert_eq!(read(&text.replace('\n', "\r\n")), read(text));
        assert_eq!(read(&format!("\u{feff}{text}")), read(text));
    }

    #[test]
    fn a_plain_word_is_what_the_parser_makes_of_it() {
        let known = known::all(&crate::collectors::schemas());
        let defaults: Vec<_> = known.iter().map(|known| known.setting.default).collect();
        let others =
            ["null", "~", "n", "...", "", " a", "a: b", "'a'", "0x1F", "1_000", "-", "a/b.c", "é", "true"];
        for text in defaults.iter().copied().chain(others) {
            if let Some(node) = plain(text) {
                assert_eq!(Ok(node), parse(text), "{text:?}");
            }
        }
        let parsed = defaults.iter().filter(|text| !text.is_empty() && plain(text).is_none());
        assert!(parsed.count() * 20 < defaults.len(), "most defaults need no parser");
    }

    #[test]
    fn nothing_is_not_the_empty_text() {
        for nothing in ["", "\n", "# comment\n", "---\n", "~", "null"] {
            assert!(read(nothing).ends_with(":-"), "{nothing:?} is {}", read(nothing));
        }
        assert_eq!(read("a:\nb: ''\nc: \"null\"\nd: NULL"), r#"1:{1:a=1:- 2:b=2:"" 3:c=3:"null" 4:d=4:-}"#);
    }

    #[test]
    fn one_of_two_equal_keys_is_not_lost() {
        assert_eq!(read("a: 1\na: 2"), r#"1:{1:a=1:"1" 2:a=2:"2"}"#);
    }

    #[test]
    fn an_alias_stands_for_its_anchor() {
        assert_eq!(read("a: &x {b: 1}\nc: *x"), r#"1:{1:a=1:{1:b=1:"1"} 2:c=1:{1:b=1:"1"}}"#);
        assert_eq!(read("a: &x [*x]"), "1: an alias of what it stands in");
    }

    #[test]
    fn aliases_of_aliases_end_somewhere() {
        let lists =
            (1..30).map(|i| format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", ")));
        let text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n") + &lists.collect::<String>();
        assert_eq!(read(&text), "5: more than 50000 values");
    }

    #[test]
    fn what_is_no_yaml_is_told_with_its_place() {
        for (wrong, place, told) in [
            ("a: [1, 2", "1:4", "not YAML: unclosed bracket"),
            ("a:\n\tb: 1", "2:2", "not YAML: tabs disallowed"),
            ("a: 'b", "1:4", "not YAML: unclosed quote"),
            ("a:\n  b: c: d", "2:7", "not YAML: mapping values are not allowed"),
            ("a: *b", "1:4", "not YAML: while parsing node, found unknown anchor"),
            ("--- 1\n--- 2", "2", "expected one YAML document, found a second one"),
            ("? [a]\n: b", "1", "expected a word as the key, found a list or a section"),
            ("a: !env B", "1", r#"YAML tags such as "!env" are not supported"#),
        ] {
            let fault = parse(wrong).unwrap_err();
            assert!(fault.message.starts_with(told), "{wrong:?} is {fault:?}");
            assert!(fault.place.starts_with(place), "{wrong:?} is {fault:?}");
        }
    }
}
