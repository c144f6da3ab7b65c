//! An unnamed file in the runtime folder. It is charged until the last reference to it is dropped.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::statvfs::fstatvfs;

use super::budget::{Charge, Space};
use super::slow_bodies::SlowBody;

#[derive(Debug)]
pub struct SpoolFile {
    file: File,
    charge: Mutex<Charge>,
}

/// The reason why bytes were not stored.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("the runtime folder's share for this kind of data is full")]
    NoRoom,
    #[error("{0}")]
    Disk(#[from] io::Error),
}

impl SpoolFile {
    /// # Errors
    /// Errors of the disk.
    pub fn new(folder: &Path, charge: Charge) -> io::Result<Self> {
        let file = tempfile::tempfile_in(folder)?;
        Ok(Self { file, charge: Mutex::new(charge) })
    }

    /// The length of the file.
    pub fn length(&self) -> u64 {
        self.charge().bytes()
    }

    /// Marks the body in this file as one that arrives too slowly, until the result is dropped.
    pub fn mark_slow(&self) -> SlowBody {
        self.charge().mark_slow()
    }

    /// Appends to the file. If it `may_displace`, slow bodies give way to it.
    ///
    /// # Errors
    /// No room in the budget, or an error of the disk.
    pub fn append(&self, addition: &[u8], may_displace: bool) -> Result<(), SpoolError> {
        let space = Space::of(fstatvfs(&self.file).map_err(io::Error::from)?);
        let length = addition.len() as u64;
        let mut charge = self.charge();
        if !charge.try_add_on_disk(length, space, may_displace) {
            return Err(SpoolError::NoRoom);
        }
        Ok((&self.file).write_all(addition)?)
    }

    fn charge(&self) -> MutexGuard<'_, Charge> {
        self.charge.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for SpoolFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
