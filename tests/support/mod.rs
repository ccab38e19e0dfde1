//! Whole fixture hosts for the integration tests: `tests/hosts/<name>.txtar`, unpacked into a directory.
//!
//! The files are text, so that a change of a host can be read in a diff. Every section is one file:
//!
//! ```text
//! What stands before the first section is a comment.
//! -- proc/loadavg --
//! 0.20 0.18 12.00 1/80 11206
//! -- proc/self -> 1 --
//! -- proc/1/cmdline (escaped) --
//! /sbin/init\x00splash\x00
//! ```
//!
//! An escaped section may hold `\xNN` (a byte, which need not be UTF-8), `\n` and `\\`. Its last line break
//! belongs to the layout and not to the file, so that a file can end without one.

use std::fs;
use std::path::Path;

/// Unpacks a host; it lives as long as the directory.
pub(crate) fn unpack(name: &str) -> tempfile::TempDir {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/hosts/{name}.txtar"));
    let archive = fs::read_to_string(&archive).unwrap_or_else(|e| panic!("{}: {e}", archive.display()));
    let root = tempfile::tempdir().expect("a temporary directory");
    let mut sections: Vec<(&str, String)> = Vec::new();
    for line in archive.split_inclusive('\n') {
        if let Some(header) = line.trim_end().strip_prefix("-- ").and_then(|line| line.strip_suffix(" --")) {
            sections.push((header, String::new()));
        } else if let Some((_, content)) = sections.last_mut() {
            content.push_str(line);
        }
    }
    for (header, content) in sections {
        write(root.path(), header, &content).unwrap_or_else(|e| panic!("{name}: {header}: {e}"));
    }
    root
}

fn write(root: &Path, header: &str, content: &str) -> std::io::Result<()> {
    let link = header.split_once(" -> ");
    let escaped = header.strip_suffix(" (escaped)");
    let path = root.join(link.map_or(escaped.unwrap_or(header), |(path, _)| path));
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    match (link, escaped) {
        (Some((_, target)), _) => std::os::unix::fs::symlink(target, path),
        (None, Some(_)) => fs::write(path, unescape(content.strip_suffix('\n').unwrap_or(content))),
        (None, None) => fs::write(path, content),
    }
}

fn unescape(content: &str) -> Vec<u8> {
    let mut parts = content.split('\\');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    while let Some(part) = parts.next() {
        let rest = if let Some(hex) = part.strip_prefix('x') {
            let (digits, rest) = hex.split_at_checked(2).unwrap_or((hex, ""));
            bytes.push(u8::from_str_radix(digits, 16).unwrap_or_else(|e| panic!("\\{part}: {e}")));
            rest
        } else if let Some(rest) = part.strip_prefix('n') {
            bytes.push(b'\n');
            rest
        } else if part.is_empty() {
            bytes.push(b'\\');
            parts.next().unwrap_or_default()
        } else {
            panic!("\\{part} is no escape")
        };
        bytes.extend_from_slice(rest.as_bytes());
    }
    bytes
}
