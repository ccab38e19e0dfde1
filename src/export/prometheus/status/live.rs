//! A page that moves: what is written into it is remembered, so that a script can write it anew.
//!
//! Page and data are made by the same calls, one after the other, and cannot say different things. The script
//! only sets texts and attributes of elements that are there; no markup travels.

use std::fmt::{self, Display, Write};

use serde_json::{Map, Value};

use crate::export::prometheus::html::Text;

/// The page so far, and its parts that move.
#[derive(Default)]
pub(super) struct Live {
    pub(super) html: String,
    pub(super) parts: Map<String, Value>,
}

/// Markup that is written as it is.
impl Write for Live {
    fn write_str(&mut self, markup: &str) -> fmt::Result {
        self.html.push_str(markup);
        Ok(())
    }
}

impl Live {
    /// An element whose text moves, with `fixed` as further attributes. Keys need no quotes.
    pub(super) fn text(&mut self, tag: &str, key: &str, fixed: &str, text: impl Display) -> fmt::Result {
        self.element(tag, key, fixed, &[], Some(&text))
    }

    /// An element whose attributes move, and its text where it has one. The names are ours, the rest is escaped.
    pub(super) fn element(
        &mut self,
        tag: &str,
        key: &str,
        fixed: &str,
        moving: &[(&str, &dyn Display)],
        text: Option<&dyn Display>,
    ) -> fmt::Result {
        let mut part = Map::new();
        write!(self.html, "<{tag} data-l={key}")?;
        if !fixed.is_empty() {
            write!(self.html, " {fixed}")?;
        }
        for (name, value) in moving {
            let value = plain(value);
            write!(self.html, " {name}=\"{}\"", Text(&value))?;
            part.insert((*name).to_owned(), value.into());
        }
        self.html.push_str(if tag == "path" { "/>" } else { ">" });
        if let Some(text) = text {
            let text = plain(text);
            write!(self.html, "{}", Text(&text))?;
            // A cell ends where the next one begins.
            if !matches!(tag, "td" | "th") {
                write!(self.html, "</{tag}>")?;
            }
            part.insert("text".to_owned(), text.into());
        }
        self.parts.insert(key.to_owned(), part.into());
        Ok(())
    }
}

/// Text as text: a script that sets it needs no escape, but the characters that nobody should see go here, too.
fn plain(text: &dyn Display) -> String {
    let hidden = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.to_string().chars().map(|c| if hidden(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_remembered_as_text() {
        let mut live = Live::default();
        live.text("td", "a", "class=\"n\"", "<b>\u{202e}&").unwrap();
        live.element("path", "b", "", &[("d", &"M0 1"), ("class", &"\"x\"")], None).unwrap();
        assert_eq!(
            live.html,
            "<td data-l=a class=\"n\">&lt;b&gt;\u{fffd}&amp;\
             <path data-l=b d=\"M0 1\" class=\"&quot;x&quot;\"/>"
        );
        let parts = serde_json::json!({
            "a": {"text": "<b>\u{fffd}&"},
            "b": {"d": "M0 1", "class": "\"x\""},
        });
        assert_eq!(Value::from(live.parts), parts);
    }
}
