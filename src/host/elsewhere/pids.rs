//! Processes of a root are read by descriptors, on Linux alone: elsewhere there are none, and [`Pids`] has no value,
//! so that the compiler knows that nothing below [`Pids::open`] is ever called.

use std::io;

use super::super::{Error, Host};

/// An error that never comes. It has a value all the same: a result without any would make of every line behind it one
/// that the compiler calls unreachable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno;

/// What a call to the kernel would give.
pub type KernelResult<T> = Result<T, Errno>;

impl From<Errno> for io::Error {
    fn from(_: Errno) -> Self {
        io::ErrorKind::Unsupported.into()
    }
}

/// The processes under the root's `/proc`.
#[derive(Debug)]
pub enum Pids {}

/// A file of a process.
#[derive(Debug)]
pub enum File {}

/// The directory of a process.
#[derive(Debug)]
pub enum Directory {}

impl Pids {
    /// Says that there are none.
    pub fn open(_host: &Host) -> Result<Self, Error> {
        Err(Error::Unavailable { path: "proc/<pid>".to_owned() })
    }

    /// Is never called.
    pub fn own(&self) -> Option<u32> {
        match *self {}
    }

    /// Is never called.
    pub fn list(&mut self, _out: &mut Vec<u32>) -> Result<(), Error> {
        match *self {}
    }

    /// Is never called.
    pub fn room(&self) -> usize {
        match *self {}
    }

    /// Is never called.
    pub fn open_small(&self, _pid: u32, _file: &str) -> KernelResult<File> {
        match *self {}
    }

    /// Is never called.
    pub fn read<'a>(&self, _pid: u32, _file: &str, _buffer: &'a mut Vec<u8>) -> KernelResult<&'a [u8]> {
        match *self {}
    }

    /// Is never called.
    pub fn executable(&self, _pid: u32) -> KernelResult<String> {
        match *self {}
    }

    /// Is never called.
    pub fn owner(&self, _pid: u32) -> KernelResult<u32> {
        match *self {}
    }

    /// Is never called.
    pub fn inode(&self, _pid: u32, _file: &str) -> KernelResult<u64> {
        match *self {}
    }

    /// Is never called.
    pub fn threads(&self, _pid: u32, _most: usize) -> KernelResult<Vec<u32>> {
        match *self {}
    }

    /// Is never called.
    pub fn read_of_thread<'a>(
        &self,
        _pid: u32,
        _thread: u32,
        _file: &str,
        _buffer: &'a mut Vec<u8>,
    ) -> KernelResult<&'a [u8]> {
        match *self {}
    }

    /// Is never called.
    pub fn directory(&self, _pid: u32) -> KernelResult<Directory> {
        match *self {}
    }

    /// Is never called.
    pub fn descriptors(&self, _pid: u32) -> KernelResult<u64> {
        match *self {}
    }

    /// Is never called.
    pub fn descriptors_of(&self, _directory: &Directory) -> KernelResult<u64> {
        match *self {}
    }
}

impl Directory {
    /// Is never called.
    pub fn owner(&self) -> KernelResult<u32> {
        match *self {}
    }
}

impl File {
    /// Is never called.
    pub fn read<'a>(&self, _buffer: &'a mut [u8]) -> KernelResult<&'a [u8]> {
        match *self {}
    }
}

/// Is never called.
pub fn vanished(_: Errno) -> bool {
    false
}

/// Is never called.
pub fn refused(_: Errno) -> bool {
    false
}
