//! On Linux, where the same calls are.

use std::os::unix::fs::{MetadataExt, symlink};

use super::*;

#[test]
fn a_directory_has_one_owner() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("deep/down");
    let first = Directory::open(&directory).unwrap();
    assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o777, 0o700);
    let second = Directory::open(&directory);
    assert!(matches!(second, Err(Refused::Held(Some(pid))) if pid == std::process::id()), "{second:?}");
    drop(first);
    assert!(Directory::open(&directory).is_ok());
}

#[test]
fn what_is_no_file_is_neither_followed_nor_opened() {
    let parent = tempfile::tempdir().unwrap();
    let path = |name: &str| parent.path().join(name);
    fs::create_dir(path("real")).unwrap();
    symlink(path("real"), path("link")).unwrap();
    assert!(matches!(Directory::open(&path("link")), Err(Refused::Unusable(_))));
    let directory = Directory::open(&path("real")).unwrap();
    fs::create_dir(path("real/a")).unwrap();
    fs::write(path("outside"), "1").unwrap();
    symlink(path("outside"), path("real/b")).unwrap();
    for name in ["a", "b"] {
        assert!(directory.open(name).err().is_some_and(|error| is_foreign(&error)), "{name}");
        assert!(directory.create(name).is_err(), "{name}");
    }
    assert_eq!(fs::read_to_string(path("outside")).unwrap(), "1");
    assert!(directory.in_place());
    fs::rename(path("real"), path("away")).unwrap();
    assert!(!directory.in_place());
}

#[test]
fn files_are_read_written_cut_and_named() {
    let parent = tempfile::tempdir().unwrap();
    let directory = Directory::open(parent.path()).unwrap();
    let file = directory.create("a").unwrap();
    file.append(b"0123456789", 0).unwrap();
    file.overwrite(b"xy", 3).unwrap();
    file.sync().unwrap();
    directory.sync().unwrap();
    directory.rename("a", "b").unwrap();
    let mut buffer = [0; 8];
    let read = file.read_at(&mut buffer, 2).unwrap();
    assert_eq!(&buffer[..read], b"2xy56789");
    assert_eq!(file.read_at(&mut buffer, 8).unwrap(), 2, "up to the end");
    file.truncate(4).unwrap();
    let stat = file.stat().unwrap();
    assert_eq!((stat.length, stat.allocated, stat.linked), (4, 4096, true));
    let mut names = directory.names().unwrap();
    names.sort();
    assert_eq!(names, ["b", "lock"]);
    directory.remove("b").unwrap();
    assert!(!file.stat().unwrap().linked);
    let space = directory.space().unwrap();
    assert!(space.total >= space.available && space.available > 0 && space.block == 4096);
    assert!(directory.allocated().unwrap() > 0);
}

#[test]
fn lost_bytes_are_told_from_a_passing_state() {
    let of = |code| is_damage(&io::Error::from_raw_os_error(code));
    assert!(of(5) && !of(28));
}
