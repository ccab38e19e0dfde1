//! The shapes of pseudo-files, as pure functions: `key value` lines, columns, and single numbers.

use std::path::PathBuf;

use super::error::{Error, ParseError};

/// A number in a column.
pub fn number<T: std::str::FromStr>(
    field: Option<&str>,
    line: usize,
    text: &str,
    expected: &'static str,
) -> Result<T, ParseError> {
    field.and_then(|f| f.parse().ok()).ok_or_else(|| ParseError::new(line, text, expected))
}

/// A decimal fraction in a column. Rust also reads `nan` and `inf`, which no kernel writes and no metric may be.
pub fn finite(
    field: Option<&str>,
    line: usize,
    text: &str,
    expected: &'static str,
) -> Result<f64, ParseError> {
    let value: f64 = number(field, line, text, expected)?;
    if value.is_finite() { Ok(value) } else { Err(ParseError::new(line, text, expected)) }
}

/// A file that holds one number, such as `/proc/sys/kernel/threads-max`.
pub fn single<T: std::str::FromStr>(text: &str) -> Result<T, ParseError> {
    number(Some(text.trim()), 1, text, "a number")
}

/// Lines of `key value`, such as `/proc/vmstat`: key and the number after it. Lines of another shape are
/// passed over, because kernels add them.
pub fn pairs(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let key = fields.next()?;
        let value = fields.next()?.parse().ok()?;
        Some((key.trim_end_matches(':'), value))
    })
}

/// A table: what was understood of it, and the first line that was not.
#[derive(Debug, PartialEq, Eq)]
pub struct Rows<T> {
    /// The lines that were understood.
    pub rows: Vec<T>,
    /// The first of the others.
    pub odd: Option<ParseError>,
}

impl<T> Rows<T> {
    /// The rows; a line that was not understood becomes a problem with `path`.
    pub fn told(self, path: &str, problems: &mut Vec<Error>) -> Vec<T> {
        problems.extend(self.odd.map(|odd| odd.at(path)));
        self.rows
    }
}

/// The lines of a table after its heading, without empty ones, each with its number from 1 on. A line that
/// `row` does not understand hides no other device; only where it understands none of them it is an error.
pub fn rows<'a, T>(
    text: &'a str,
    heading: usize,
    row: impl Fn(usize, &'a str) -> Result<T, ParseError>,
) -> Result<Rows<T>, ParseError> {
    let mut out = Rows { rows: Vec::new(), odd: None };
    for (line, number) in text.lines().zip(1..).skip(heading).filter(|(line, _)| !line.trim().is_empty()) {
        match row(number, line) {
            Ok(row) => out.rows.push(row),
            Err(error) => out.odd = out.odd.or(Some(error)),
        }
    }
    match out.odd {
        Some(odd) if out.rows.is_empty() => Err(odd),
        _ => Ok(out),
    }
}

/// How many numbers a list of ranges such as `0-3,8` holds (cpuset(7), "List format").
pub fn count_ranges(text: &str) -> Option<usize> {
    let mut count = 0_usize;
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        count = count.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(count)
}

/// Decodes the octal escapes that the kernel writes into mount tables (`\040` for a blank).
///
/// See `mangle_path` in fs/seq_file.c: blank, tab, newline and backslash are escaped.
pub fn unescape_octal(field: &str) -> String {
    match String::from_utf8(unescape_octal_bytes(field)) {
        Ok(text) => text,
        Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
    }
}

/// The same as a path, which need not be UTF-8.
pub fn unescape_path(field: &str) -> PathBuf {
    super::kernel::path_of(unescape_octal_bytes(field))
}

fn unescape_octal_bytes(field: &str) -> Vec<u8> {
    if !field.contains('\\') {
        return field.as_bytes().to_vec();
    }
    let bytes = field.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let octal = bytes
            .get(i + 1..i + 4)
            .filter(|d| bytes[i] == b'\\' && d.iter().all(|b| (b'0'..=b'7').contains(b)));
        if let Some(digits) = octal {
            let value = digits.iter().fold(0_u32, |acc, d| acc * 8 + u32::from(d - b'0'));
            if let Ok(byte) = u8::try_from(value) {
                out.push(byte);
                i += 4;
                continue;
            }
        }
        out.push(bytes[i]);
        i += 1;
    }
    out
}

/// Text of any bytes: those that are not UTF-8 become escapes as the kernel has them for blanks.
pub fn escape_octal(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| {
        let mut text = String::with_capacity(e.as_bytes().len() + 12);
        for chunk in e.as_bytes().utf8_chunks() {
            text.push_str(chunk.valid());
            for byte in chunk.invalid() {
                let digit = |shift: u8| char::from(b'0' + (byte >> shift & 7));
                text.extend(['\\', digit(6), digit(3), digit(0)]);
            }
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pairs_pass_over_other_shapes() {
        let found: Vec<_> = pairs("pgfault 12\n\nodd\nbad x\nMemFree:  7 kB\n").collect();
        assert_eq!(found, [("pgfault", 12), ("MemFree", 7)]);
    }

    #[test]
    fn a_row_that_is_odd_hides_no_other() {
        let row = |line, text| number::<u8>(Some(text), line, text, "a number");
        let found = rows("heading\n1\n\nx\ny\n2\n", 1, row).unwrap();
        assert_eq!((found.rows, found.odd.unwrap().line), (vec![1, 2], 4));
        assert_eq!(rows("x\n", 0, row).unwrap_err().text, "x");
        assert_eq!(rows("heading\n", 1, row), Ok(Rows { rows: vec![], odd: None }));
    }

    #[test]
    fn ranges_are_counted() {
        assert_eq!(count_ranges("0-3,8\n"), Some(5));
        assert_eq!(count_ranges("0\n"), Some(1));
        for bad in ["", "3-1", "a", "0-18446744073709551615"] {
            assert_eq!(count_ranges(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_fraction_is_finite() {
        assert_eq!(finite(Some("0.5"), 1, "0.5", "a fraction"), Ok(0.5));
        for odd in ["nan", "inf", "1e400", "x", ""] {
            assert!(finite(Some(odd), 1, odd, "a fraction").is_err(), "{odd}");
        }
    }

    #[test]
    fn octal_escapes_are_decoded() {
        assert_eq!(unescape_octal(r"/mnt/a\040b\134c"), r"/mnt/a b\c");
        assert_eq!(unescape_octal(r"\9\40"), r"\9\40");
        assert_eq!(unescape_octal(r"/\377x"), "/\u{fffd}x");
        let path = b"/mnt/\xff\xfe\xc3\xa9 \xc3";
        let escaped = escape_octal(path.to_vec());
        assert_eq!(escaped, r"/mnt/\377\376é \303");
        assert_eq!(unescape_octal_bytes(&escaped), path);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = pairs(&text).count();
            let _ = unescape_octal(&text);
            let _ = single::<u64>(&text);
            let _ = count_ranges(&text);
            let _ = rows(&text, 1, |line, text| number::<u64>(Some(text), line, text, "a number"));
        }
    }
}
