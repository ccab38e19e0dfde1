//! What the directory is like, and what is not followed, not opened and not shared.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn only_the_owner_may_look_into_it() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("deep/down/queue");
    let mut queue = open(&directory);
    append(&mut queue, &[100]);
    assert_eq!(mode(&directory), 0o700);
    let files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(files.iter().all(|path| mode(path) == 0o600), "{files:?}");
}

#[test]
fn the_rights_of_a_directory_that_was_there_are_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o750)).unwrap();
    append(&mut open(parent.path()), &[100]);
    assert_eq!(mode(parent.path()), 0o750);
}

#[test]
fn a_second_owner_is_told_who_the_first_is() {
    let parent = tempfile::tempdir().unwrap();
    let mut first = open(parent.path());
    append(&mut first, &[100]);
    let refused = try_open(parent.path()).err().unwrap().to_string();
    let (path, pid) = (parent.path().display(), std::process::id());
    assert_eq!(refused, format!("queue.directory: {path} is in use: the process {pid} has it"));
    drop(first);
    assert_eq!(drain(&mut open(parent.path())), 1);
}

#[test]
fn a_link_is_not_followed_to_another_directory() {
    let parent = tempfile::tempdir().unwrap();
    let (real, link) = (parent.path().join("real"), parent.path().join("link"));
    fs::create_dir(&real).unwrap();
    symlink(&real, &link).unwrap();
    let mut queue = open(&link);
    append(&mut queue, &[100]);
    assert_eq!(texts(&mut queue).len(), 1);
    assert_eq!(fs::read_dir(&real).unwrap().count(), 0);
    assert_eq!(drain(&mut queue), 1, "it waited in memory");
}

#[test]
fn a_directory_that_is_replaced_by_a_link_is_not_written_through_it() {
    let parent = tempfile::tempdir().unwrap();
    let (directory, away) = (parent.path().join("queue"), parent.path().join("away"));
    let mut queue = open(&directory);
    append(&mut queue, &[100]);
    fs::rename(&directory, &away).unwrap();
    symlink(&away, &directory).unwrap();
    let written = || fs::metadata(away.join("00000000000000000000.log")).unwrap().len();
    let before = written();
    append(&mut queue, &[100]);
    assert_eq!((texts(&mut queue).len(), written()), (1, before));
    fs::remove_file(&directory).unwrap();
    fs::rename(&away, &directory).unwrap();
    assert_eq!(queue.close(Moment::now()), 0);
    drop(queue);
    assert_eq!(drain(&mut open(&directory)), 2);
}

#[test]
fn a_directory_that_is_removed_is_made_anew_and_what_was_in_it_is_counted() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("queue");
    let mut queue = open(&directory);
    append(&mut queue, &[100, 100]);
    fs::remove_dir_all(&directory).unwrap();
    append(&mut queue, &[100]);
    assert_eq!(texts(&mut queue).len(), 1);
    assert_eq!(queue.close(Moment::now()), 0);
    assert_eq!(queue.books().left(Fate::Lost), 2);
    drop(queue);
    assert_eq!(drain(&mut open(&directory)), 1);
}

#[test]
fn a_file_that_is_removed_under_the_writer_is_noticed() {
    let parent = tempfile::tempdir().unwrap();
    let mut queue = open(parent.path());
    append(&mut queue, &[100]);
    fs::remove_file(parent.path().join("00000000000000000000.log")).unwrap();
    append(&mut queue, &[100]);
    assert_eq!(texts(&mut queue).len(), 1);
    assert_eq!(queue.close(Moment::now()), 0);
    drop(queue);
    let mut queue = open(parent.path());
    assert_eq!((drain(&mut queue), queue.books().left(Fate::Lost)), (1, 1));
}

#[test]
fn what_is_no_file_is_neither_opened_nor_in_the_way() {
    let parent = tempfile::tempdir().unwrap();
    append(&mut open(parent.path()), &[100, 100]);
    let name = |number: u64| parent.path().join(format!("{number:020}.log"));
    fs::create_dir(name(1)).unwrap();
    symlink("/etc/passwd", name(2)).unwrap();
    symlink("nowhere", name(3)).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, name(4), rustix::fs::Mode::RUSR).unwrap();
    fs::remove_file(parent.path().join("cursor")).unwrap();
    fs::create_dir(parent.path().join("cursor")).unwrap();
    let mut queue = open(parent.path());
    append(&mut queue, &[100]);
    assert_eq!((drain(&mut queue), texts(&mut queue)), (3, vec![]));
    assert!((1..=4).all(|number| fs::symlink_metadata(name(number)).is_ok()));
}

#[test]
fn a_lock_that_cannot_be_taken_leaves_the_queue_in_memory() {
    let parent = tempfile::tempdir().unwrap();
    symlink("/etc/passwd", parent.path().join("lock")).unwrap();
    let mut queue = open(parent.path());
    append(&mut queue, &[100]);
    assert_eq!((texts(&mut queue).len(), drain(&mut queue)), (1, 1));
    assert!(fs::read_to_string("/etc/passwd").unwrap().starts_with("root:"));
}
