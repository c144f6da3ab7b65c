//! An unnamed file in the runtime folder. It is charged until the last reference to it is dropped.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use nix::sys::statvfs::fstatvfs;

use super::budget::{Charge, Space};

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
        self.charge.lock().unwrap_or_else(PoisonError::into_inner).bytes()
    }

    /// Appends to the file.
    ///
    /// # Errors
    /// No room in the budget, or an error of the disk.
    pub fn append(&self, addition: &[u8]) -> Result<(), SpoolError> {
        let space = Space::of(fstatvfs(&self.file).map_err(io::Error::from)?);
        let length = addition.len() as u64;
        let mut charge = self.charge.lock().unwrap_or_else(PoisonError::into_inner);
        if !charge.try_add_on_disk(length, space) {
            return Err(SpoolError::NoRoom);
        }
        Ok((&self.file).write_all(addition)?)
    }
}

impl AsFd for SpoolFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
