//! A file without a name in the runtime folder. It counts there until the last of those who read it is done.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::statvfs::fstatvfs;

use super::budget::{Budget, Charge, Kind, Place, Space};

#[derive(Debug)]
pub struct SpoolFile {
    file: File,
    charge: Mutex<Charge>,
}

/// Why bytes were not kept.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    #[error("the share of the runtime folder for this is full")]
    NoShare,
    #[error("{0}")]
    Disk(#[from] io::Error),
}

impl SpoolFile {
    /// # Errors
    /// Those of the disk.
    pub fn new(folder: &Path, budget: &Arc<Budget>, kind: Kind) -> io::Result<Self> {
        let file = tempfile::tempfile_in(folder)?;
        Ok(Self { file, charge: Mutex::new(budget.charge(kind, Place::Disk)) })
    }

    /// Adds to its end.
    ///
    /// # Errors
    /// No room for it, or the disk's own.
    pub fn append(&self, addition: &[u8]) -> Result<(), NotKept> {
        let system = fstatvfs(&self.file).map_err(io::Error::from)?;
        let bytes = |blocks: u64| blocks.saturating_mul(system.fragment_size());
        let space =
            Space { free_bytes: bytes(system.blocks_available()), whole_bytes: bytes(system.blocks()) };
        let length = addition.len() as u64;
        let mut charge = self.charge.lock().unwrap_or_else(PoisonError::into_inner);
        if !charge.try_add_on_disk(length, space) {
            return Err(NotKept::NoShare);
        }
        Ok((&self.file).write_all(addition)?)
    }
}

/// A file that is being sent: a site's, or one of ours.
#[derive(Clone, Debug)]
pub enum SentFile {
    Site(Arc<File>),
    Spool(Arc<SpoolFile>),
}

impl Deref for SentFile {
    type Target = File;

    fn deref(&self) -> &File {
        match self {
            Self::Site(file) => file,
            Self::Spool(spool) => &spool.file,
        }
    }
}

impl From<Arc<File>> for SentFile {
    fn from(file: Arc<File>) -> Self {
        Self::Site(file)
    }
}

impl From<Arc<SpoolFile>> for SentFile {
    fn from(file: Arc<SpoolFile>) -> Self {
        Self::Spool(file)
    }
}
