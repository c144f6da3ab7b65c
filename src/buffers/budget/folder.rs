//! What the runtime folder may hold: the space of its file system, and what limits it besides.

use nix::sys::statvfs::Statvfs;

use super::{Kind, limit_bytes};
use crate::buffers::bounds::MEMORY_PERCENT;
use crate::config::runtime_size::{capacity_bytes, share_bytes};

/// Space of the runtime folder's file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub free_bytes: u64,
    pub total_bytes: u64,
}

impl Space {
    pub fn of(system: Statvfs) -> Self {
        let bytes = |blocks: u64| blocks.saturating_mul(system.fragment_size());
        Self { free_bytes: bytes(system.blocks_available()), total_bytes: bytes(system.blocks()) }
    }
}

/// What limits the runtime folder, besides its file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderLimit {
    /// CAULDRON_RUNTIME_SIZE.
    Size(u64),
    /// It is in memory: the memory limit of the container, or else of the machine.
    Memory(u64),
    /// It is on a disk.
    None,
}

impl FolderLimit {
    pub(super) fn capacity_bytes(self) -> u64 {
        match self {
            Self::Size(bytes) => capacity_bytes(bytes),
            Self::Memory(limit) => share_bytes(limit, MEMORY_PERCENT),
            Self::None => u64::MAX,
        }
    }

    /// The largest body that fits into the folder while nothing else is in its file system.
    pub fn largest_body_bytes(self, total_bytes: u64) -> u64 {
        let capacity_bytes = match self {
            Self::Size(_) => self.capacity_bytes(),
            _ => self.capacity_bytes().min(capacity_bytes(total_bytes)),
        };
        limit_bytes(Kind::Request, u64::MAX, capacity_bytes)
    }
}
