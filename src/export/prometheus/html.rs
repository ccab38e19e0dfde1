//! Values as people read them, and text that cannot become markup.

use std::fmt;
use std::time::{Duration, SystemTime};

/// Text within HTML, in an element or in a quoted attribute.
pub(super) struct Text<T>(pub(super) T);

impl<T: fmt::Display> fmt::Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        write!(Escape(f), "{}", self.0)
    }
}

struct Escape<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.write_str("&amp;")?,
                '<' => self.0.write_str("&lt;")?,
                '>' => self.0.write_str("&gt;")?,
                '"' => self.0.write_str("&quot;")?,
                '\'' => self.0.write_str("&#39;")?,
                // Control characters, and those that turn the direction of the text around.
                c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                    self.0.write_char('\u{fffd}')?;
                }
                c => self.0.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A time span by its two largest units: `3 d 4 h`, `12 s`, `1.4 ms`.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let pair = |large: u64, large_name, small: u64, small_name| {
        format!("{} {large_name} {} {small_name}", seconds / large, seconds % large / small)
    };
    match seconds {
        0 if span < Duration::from_millis(1) => format!("{} µs", span.as_micros()),
        0 => format!("{:.1} ms", span.as_secs_f64() * 1e3),
        1..60 => format!("{seconds} s"),
        60..3600 => pair(60, "min", 1, "s"),
        3600..86400 => pair(3600, "h", 60, "min"),
        _ => pair(86400, "d", 3600, "h"),
    }
}

/// How long ago; a clock that was set back makes it now.
pub(super) fn ago(then: SystemTime) -> String {
    match then.elapsed().unwrap_or_default() {
        elapsed if elapsed < Duration::from_secs(1) => "now".to_owned(),
        elapsed => format!("{} ago", span(elapsed)),
    }
}

/// Bytes in binary units: `35.2 KiB`.
pub(super) fn bytes(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let hostile = "<script>\"a\" & 'b'</script>\n\u{1b}[31m\u{202e}";
        let shown = Text(hostile).to_string();
        assert_eq!(
            shown,
            "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;\u{fffd}\u{fffd}[31m\u{fffd}"
        );
    }

    #[test]
    fn spans_are_shown_by_their_two_largest_units() {
        let shown = [40, 1_400, 2_000_000, 125_000_000, 7_260_000_000, 270_000_000_000];
        let shown = shown.map(|micros| span(Duration::from_micros(micros)));
        assert_eq!(shown, ["40 µs", "1.4 ms", "2 s", "2 min 5 s", "2 h 1 min", "3 d 3 h"]);
    }

    #[test]
    fn bytes_are_shown_in_the_unit_that_fits() {
        assert_eq!(
            [0, 1023, 36_045, 8 << 20, u64::MAX].map(bytes),
            ["0 B", "1023 B", "35.2 KiB", "8.0 MiB", "16777216.0 TiB"]
        );
    }
}
