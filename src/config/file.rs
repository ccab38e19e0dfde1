//! The config loader: the only part of the configuration that opens a file.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::environment::{self, Environment};
use super::problem::{Problem, Problems};

/// The file that is read when none is named, where it exists. On Windows whoever may log in could make a `/etc`.
pub const DEFAULT_FILE: &str = if cfg!(windows) {
    r"C:\Program Files\hostmeter\hostmeter.yaml"
} else {
    "/etc/hostmeter/hostmeter.yaml"
};

/// No configuration is this long; a device, a log file or a disk image is.
const MAX_FILE: u64 = 1 << 20;

/// The file to read and its text.
pub(super) fn find(
    named: Option<&Path>,
    environment: &dyn Environment,
) -> Result<Option<(PathBuf, String)>, Problem> {
    let variable =
        || environment::FILE.iter().find_map(|name| Some((environment::value_of(environment, name)?, *name)));
    let (path, by) = match (named, variable()) {
        (Some(path), _) => (path.to_path_buf(), Some("--config")),
        (None, Some((path, name))) => (PathBuf::from(path), Some(name)),
        (None, None) => (PathBuf::from(DEFAULT_FILE), None),
    };
    match read(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err((_, error)) if by.is_none() && is_absent(&error) => Ok(None),
        Err((line, error)) => {
            let by = by.map(|by| format!(" (named by {by})")).unwrap_or_default();
            Err(told(&path, line, &by, &error))
        }
    }
}

/// The text of a file that the user names.
pub fn read_file(path: &Path) -> Result<String, Problems> {
    named(path).map_err(Problems::one)
}

/// Writes a configuration file where none stands; over one that does only when it is `forced`.
pub fn write_file(path: &Path, text: &str, forced: bool) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true).create_new(!forced);
    options.open(path)?.write_all(text.as_bytes())
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The text of a file that has to be there.
pub(super) fn named(path: &Path) -> Result<String, Problem> {
    read(path).map_err(|(line, error)| told(path, line, "", &error))
}

fn told(path: &Path, line: Option<usize>, by: &str, error: &io::Error) -> Problem {
    let name = path.display();
    let origin = line.map_or_else(|| name.to_string(), |line| format!("{name}:{line}"));
    Problem::new(origin, "", format!("{}{by}", unreadable(error)))
}

/// The text of a file, or what went wrong and, where known, on which line.
fn read(path: &Path) -> Result<String, (Option<usize>, io::Error)> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    let read = read.map_err(|error| (None, error))?;
    if read as u64 > MAX_FILE {
        return Err((None, io::ErrorKind::FileTooLarge.into()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].split(|byte| *byte == b'\n').count();
        (Some(line), io::ErrorKind::InvalidData.into())
    })
}

/// What is wrong with the file as a whole, and what to do.
fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "permission denied; let the user that hostmeter runs as read it".to_owned()
        }
        io::ErrorKind::IsADirectory => "expected a file, found a directory".to_owned(),
        io::ErrorKind::FileTooLarge => "larger than 1 MiB; this is no configuration of hostmeter".to_owned(),
        io::ErrorKind::InvalidData => "not UTF-8; save the file in this encoding".to_owned(),
        _ => error.to_string(),
    }
}
