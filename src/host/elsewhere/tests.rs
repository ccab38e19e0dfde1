//! On Linux, where most of it can be held against Linux' own answers.

use super::super::kernel;
use super::*;

#[test]
fn the_own_root_is_the_machine_and_another_one_is_a_recording() {
    let (own, other) = (Path::new("/"), Path::new("/srv/recorded"));
    assert!(!is_recorded(own) && is_recorded(other));
    let told = std::fs::read_to_string("/proc/stat").unwrap();
    let btime = told.lines().find_map(|line| line.strip_prefix("btime ")).unwrap().parse().unwrap();
    let since = boot_time(own).unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    assert!(since.abs_diff(Duration::from_secs(btime)) < Duration::from_secs(3), "{since:?} and {btime}");
    assert!(cpus(own).unwrap() > 0);
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(self::name(own).as_deref(), Some(name.trim()).filter(|name| !name.is_empty()));
    assert_eq!(boot_time(other), None);
    assert_eq!((cpus(other), self::name(other), machine_uuid(other)), (None, None, None));
    assert!(KNOWN_ROOTS.is_empty());
}

#[test]
fn only_what_is_a_file_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    assert!(open_regular(&fifo).is_err() && open_regular(directory.path()).is_err());
    assert_eq!(open_regular(&directory.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    let file = directory.path().join("file");
    std::fs::write(&file, "1").unwrap();
    assert!(open_regular(&file).is_ok() && open(&fifo).is_err());
    let mut bytes = Vec::with_capacity(8);
    assert_eq!(read(&open(&file).unwrap(), &mut bytes, 0).unwrap(), 1);
    assert_eq!(bytes, b"1");
    let seen = std::fs::metadata(&file).unwrap();
    assert!(!is_foreign(&seen) && file_number(&seen) == 0);
}

#[test]
fn the_space_around_a_path_is_that_of_the_kernel() {
    let (ours, theirs) = (space(Path::new("/")).unwrap(), kernel::space(Path::new("/")).unwrap());
    assert_eq!(ours.block * ours.blocks, theirs.block * theirs.blocks);
    let apart = (ours.block * ours.available).abs_diff(theirs.block * theirs.available);
    assert!(apart < 1 << 30, "{ours:?} {theirs:?}");
    // A directory that is not there lies on the volume on which it would be made.
    assert_eq!(space(Path::new("/is/not/there")).unwrap().blocks, ours.blocks);
    assert!(may_write(&std::env::temp_dir()) && !may_write(Path::new("/is/not/there")));
}

#[test]
fn the_own_usage_is_that_of_the_kernel() {
    // Other tests of this process run, and take memory, at the same time.
    let alike = || {
        let (before, ours, after) = (kernel::usage(), usage(), kernel::usage());
        let tick = Duration::from_millis(20);
        assert!(
            before.cpu <= ours.cpu + tick && ours.cpu <= after.cpu + tick,
            "{before:?} {ours:?} {after:?}"
        );
        let (ours, theirs) = (ours.memory.unwrap(), after.memory.unwrap());
        ours > 1 << 20 && ours.abs_diff(theirs) < 4 << 20
    };
    assert!((0..50).any(|_| alike()));
}

#[test]
fn the_time_since_the_boot_runs_with_that_of_the_kernel() {
    let (before, theirs, after) = (since_boot(), kernel::since_boot(), since_boot());
    assert!(before < after && before <= theirs, "{before:?} {theirs:?} {after:?}");
    assert!(theirs < after + Duration::from_secs(2), "{theirs:?} {after:?}");
}

#[test]
fn paths_and_errors_are_taken_as_they_come() {
    assert_eq!(path_of(b"/a\xff".to_vec()), Path::new("/a\u{fffd}"));
    assert!(has_nothing_behind_it(&io::ErrorKind::Unsupported.into()));
    assert!(!has_nothing_behind_it(&io::ErrorKind::NotFound.into()));
    assert!((ticks(), page_size()) == (100, 4096) && !is_root());
}
