//! Files of a host as one text.
//!
//! Text, so that a change of a host can be read in a diff. Every section is one file:
//!
//! ```text
//! What stands before the first section is a comment.
//! -- proc/loadavg --
//! 0.20 0.18 12.00 1/80 11206
//! -- proc/self -> 1 --
//! -- proc/1/cmdline (escaped) --
//! /sbin/init\x00splash\x00
//! -- proc/7 (uid 33) --
//! -- proc/8 (gone) --
//! ```
//!
//! An escaped section may hold `\xNN` (a byte, which need not be UTF-8), `\n` and `\\`. Its last line break
//! belongs to the layout and not to the file, so that a file can end without one. The last two are for a host
//! that changes ([`apply()`] on one that is there already): a file or directory is given to a user, which only
//! root can do, and is removed.

use std::fs;
use std::path::{Path, PathBuf};

/// Writes the sections of an archive into a directory, over what is there.
pub(crate) fn apply(root: &Path, archive: &str, text: &str) {
    let mut sections: Vec<(&str, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        if let Some(header) = line.trim_end().strip_prefix("-- ").and_then(|line| line.strip_suffix(" --")) {
            sections.push((header, String::new()));
        } else if let Some((_, content)) = sections.last_mut() {
            content.push_str(line);
        }
    }
    for (header, content) in sections {
        write(root, header, &content).unwrap_or_else(|e| panic!("{archive}: {header}: {e}"));
    }
}

fn write(root: &Path, header: &str, content: &str) -> std::io::Result<()> {
    if let Some((path, target)) = header.split_once(" -> ") {
        return std::os::unix::fs::symlink(target, parent(root.join(path))?);
    }
    let (path, note) = header.strip_suffix(')').and_then(|h| h.split_once(" (")).unwrap_or((header, ""));
    let path = parent(root.join(path))?;
    match note.split_once(' ').unwrap_or((note, "")) {
        ("", "") => fs::write(path, content),
        ("escaped", "") => fs::write(path, unescape(content.strip_suffix('\n').unwrap_or(content))),
        ("gone", "") if path.is_dir() => fs::remove_dir_all(path),
        ("gone", "") => fs::remove_file(path),
        ("uid", uid) => std::os::unix::fs::chown(path, uid.parse().ok(), None),
        _ => panic!("({note}) means nothing"),
    }
}

/// A path whose directory is there.
fn parent(path: PathBuf) -> std::io::Result<PathBuf> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    Ok(path)
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
