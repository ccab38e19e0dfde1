//! The text of `/proc/<pid>/mountinfo` (proc_pid_mountinfo(5)), and which of its mounts a path leads to.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::host::ParseError;
use crate::host::text::{self, Rows};

/// Mounts are not nested deeper; a table whose parents go in circles ends here.
const MAX_DEPTH: usize = 256;

/// One line. Paths and names keep the kernel's escapes, because most mounts are of no interest; they are
/// decoded by [`Mount::source`] and [`Mount::point`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mount<'a> {
    id: u64,
    parent: u64,
    /// `major:minor`, the same for all mounts of one filesystem.
    pub(super) device: &'a str,
    /// The directory of the filesystem that is mounted: `/`, or another for a bind mount.
    pub(super) root: &'a str,
    escaped_point: &'a str,
    /// This mount is read-only.
    pub(super) read_only: bool,
    /// The filesystem's type, with the program's after a dot for FUSE.
    pub(super) kind: &'a str,
    escaped_source: &'a str,
    /// The filesystem is read-only wherever it is mounted.
    pub(super) read_only_everywhere: bool,
}

impl Mount<'_> {
    /// What is mounted: a device, a server's export, a name.
    pub(super) fn source(&self) -> String {
        text::unescape_octal(self.escaped_source)
    }

    /// Where it is mounted.
    pub(super) fn point(&self) -> String {
        text::unescape_octal(self.escaped_point)
    }

    /// The same as the path that the kernel knows, which need not be UTF-8.
    pub(super) fn path(&self) -> PathBuf {
        text::unescape_path(self.escaped_point)
    }
}

/// The lines of a mount table.
pub(super) fn parse(text: &str) -> Result<Rows<Mount<'_>>, ParseError> {
    text::rows(text, 0, |number, line| {
        mount(line).ok_or_else(|| ParseError::new(number, line, "a line of proc_pid_mountinfo(5)"))
    })
}

/// `36 35 98:0 /root /point rw,noatime shared:1 master:2 - ext3 /dev/root rw,errors=continue`; between the
/// options and the `-` stand any number of fields. The source may be empty, so every blank counts.
fn mount(line: &str) -> Option<Mount<'_>> {
    let mut fields = line.split(' ');
    let (id, parent) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let (device, root, escaped_point, options) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    fields.find(|field| *field == "-")?;
    let (kind, escaped_source, everywhere) = (fields.next()?, fields.next()?, fields.next()?);
    let read_only = is_read_only(options);
    let read_only_everywhere = is_read_only(everywhere);
    Some(Mount {
        id,
        parent,
        device,
        root,
        escaped_point,
        read_only,
        kind,
        escaped_source,
        read_only_everywhere,
    })
}

fn is_read_only(options: &str) -> bool {
    options.split(',').any(|option| option == "ro")
}

/// The mounts that a path leads to. One is hidden when another lies on top of it, or on a directory on the
/// way to it; statfs of its mount point would answer for the other.
pub(super) fn visible<'a>(mounts: &[Mount<'a>]) -> Vec<Mount<'a>> {
    // Of two at the same place of the same parent the later one is found.
    let at: HashMap<(u64, &str), u64> = mounts
        .iter()
        .filter(|mount| mount.parent != mount.id)
        .map(|mount| ((mount.parent, mount.escaped_point), mount.id))
        .collect();
    let by_id: HashMap<u64, &Mount<'_>> = mounts.iter().map(|mount| (mount.id, mount)).collect();
    let is_root = |mount: &Mount<'_>| mount.parent == mount.id;
    let found_in_parent = |mount: &Mount<'_>| {
        let mut way = directories(mount.escaped_point).map(|place| at.get(&(mount.parent, place)));
        way.next().flatten() == Some(&mount.id) && way.all(|other| other.is_none())
    };
    let reached = |mount: &Mount<'_>| {
        let mut ancestors = std::iter::successors(Some(mount), |m| by_id.get(&m.parent).copied())
            .take_while(|m| !is_root(m))
            .take(MAX_DEPTH);
        ancestors.all(found_in_parent)
    };
    let covered = |mount: &Mount<'_>| at.contains_key(&(mount.id, mount.escaped_point));
    mounts.iter().filter(|mount| reached(mount) && !covered(mount)).copied().collect()
}

/// A path and every directory above it: `/a/b`, `/a`, `/`.
fn directories(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| match path.rfind('/')? {
        0 if path.len() > 1 => Some("/"),
        end => path.get(..end).filter(|above| !above.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn points(text: &str) -> Vec<String> {
        visible(&parse(text).unwrap().rows).iter().map(Mount::point).collect()
    }

    #[test]
    fn a_line_with_optional_fields_is_read() {
        let text =
            r"36 35 98:0 /mnt1 /mnt\0402 rw,noatime shared:7 master:1 - ext3 /dev/a\134b ro,errors=continue";
        let mount = parse(text).unwrap().rows[0];
        assert_eq!((mount.device, mount.root, mount.kind), ("98:0", "/mnt1", "ext3"));
        assert_eq!((mount.point(), mount.source()), ("/mnt 2".to_owned(), r"/dev/a\b".to_owned()));
        assert!(!mount.read_only && mount.read_only_everywhere);
    }

    #[test]
    fn no_optional_field_and_no_source_is_a_line_too() {
        let mount = parse("36 35 0:9 / /x ro - fuse.sshfs  rw").unwrap().rows[0];
        assert_eq!((mount.kind, mount.source(), mount.read_only), ("fuse.sshfs", String::new(), true));
    }

    #[test]
    fn a_cut_line_is_told() {
        let found = parse("22 27 0:21 / /proc rw - proc proc rw\n36 35 98:0 / /x rw - ext4").unwrap();
        assert_eq!((found.rows.len(), found.odd.unwrap().line), (1, 2));
    }

    #[test]
    fn a_mount_on_top_of_another_hides_it_and_what_is_below_it() {
        let text = "\
1 1 0:1 / / rw - rootfs rootfs rw
20 1 8:1 / / rw - ext4 /dev/sda1 rw
21 20 8:2 / /mnt/x rw - ext4 /dev/sda2 rw
22 21 8:3 / /mnt/x/y rw - ext4 /dev/sda3 rw
23 21 8:4 / /mnt/x rw - ext4 /dev/sda4 rw
24 23 8:5 / /mnt/x/y/z rw - ext4 /dev/sda5 rw
";
        assert_eq!(points(text), ["/", "/mnt/x", "/mnt/x/y/z"]);
    }

    #[test]
    fn a_mount_on_the_way_hides_what_was_below() {
        let text = "\
20 1 8:1 / / rw - ext4 /dev/sda1 rw
21 20 8:2 / /mnt/x/y rw - ext4 /dev/sda2 rw
22 20 8:3 / /mnt/x/y2 rw - ext4 /dev/sda3 rw
23 20 8:4 / /mnt/x/y rw - ext4 /dev/sda4 rw
";
        assert_eq!(points(text), ["/", "/mnt/x/y2", "/mnt/x/y"]);
        assert_eq!(points(&format!("{text}24 20 8:5 / /mnt/x rw - ext4 /dev/sda5 rw\n")), ["/", "/mnt/x"]);
    }

    #[test]
    fn parents_that_go_in_circles_end() {
        let text = "1 2 8:1 / /a rw - ext4 a rw\n2 1 8:2 / /a/b rw - ext4 b rw\n";
        assert_eq!(points(text), ["/a", "/a/b"]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in r"([0-3 /a:\\-]{0,40}\n?){0,4}", any in ".*") {
            let _ = parse(&text).map(|mounts| visible(&mounts.rows).len());
            let _ = parse(&any);
        }

        #[test]
        fn no_table_panics(lines in proptest::collection::vec((0..6_u8, 0..6_u8, "(/[ab]){0,3}/?"), 0..9)) {
            let line = |(id, parent, at)| format!("{id} {parent} 8:1 / {at} rw - ext4 x rw\n");
            let text: String = lines.into_iter().map(line).collect();
            let mounts = parse(&text).unwrap().rows;
            prop_assert!(visible(&mounts).len() <= mounts.len());
        }
    }
}
