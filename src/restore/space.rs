//! The space that a backup needs where it is restored, compared with what is free, before work begins.

use std::path::Path;

use nix::sys::stat::stat;
use nix::sys::statvfs::statvfs;

use super::files::FileSwap;
use crate::backups::bytes::size;
use crate::backups::manifest::{Amount, Manifest};
use crate::leader::context::Context;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};

/// A restored database with its indexes, relative to the dump; and room for a migrate.
const GROWTH: u64 = 3;
/// What a file takes besides its contents: most of a block, and its inode.
const PER_FILE_BYTES: u64 = 4096;

/// How much a backup or an archive contains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    pub files: Amount,
    /// The size of the dump, as text.
    pub dump_bytes: u64,
}

impl Extent {
    pub fn of(manifest: &Manifest) -> Self {
        let (public, private) = (manifest.files.public, manifest.files.private);
        let files = Amount { count: public.count + private.count, bytes: public.bytes + private.bytes };
        Self { files, dump_bytes: manifest.database.bytes }
    }

    /// What the files take, unpacked.
    pub fn files_bytes(&self) -> u64 {
        self.files.bytes.saturating_add(self.files.count.saturating_mul(PER_FILE_BYTES))
    }

    /// What the database takes, loaded.
    pub fn database_bytes(&self) -> u64 {
        self.dump_bytes.saturating_mul(GROWTH)
    }
}

/// Compares the free space of a file system with what `what` needs there.
///
/// # Errors
/// 75 with both; as for any file.
pub fn require(folder: &Path, what: &str, needed_bytes: u64, hint: &str) -> Result<()> {
    let free_bytes = free_bytes(folder)?;
    if free_bytes >= needed_bytes {
        return Ok(());
    }
    let (folder, free, needed) = (folder.display(), size(free_bytes), size(needed_bytes));
    Err(Fault::try_again(
        format!("{folder} has {free} free ({free_bytes} bytes), and {what} needs about {needed} ({needed_bytes} bytes)"),
        hint,
    )
    .named(Refusal::SpaceMissing))
}

fn free_bytes(folder: &Path) -> Result<u64> {
    let free = statvfs(folder).map_err(|error| {
        Fault::file(format!("cannot read the free space of {}", folder.display()), &error.into())
    })?;
    Ok(free.blocks_available() * free.fragment_size())
}

/// Compares what a restore needs with what is free: the files beside the present ones, and the database beside the
/// present one, if its folder is on this machine. PostgreSQL does not report the free space of another machine.
///
/// # Errors
/// As [`require`].
pub fn check(context: &Context<'_>, extent: &Extent, files: bool, database: bool) -> Result<()> {
    let (sites, swap) = (context.pod.bench.sites(), FileSwap::of(&context.pod.bench, context.site));
    let of_files = match swap.reusable_bytes().filter(|_| files) {
        Some(reusable_bytes) => extent.files_bytes().saturating_sub(reusable_bytes),
        None => 0,
    };
    let cluster = (database && context.pod.config.embedded).then(|| context.pod.embedded_folder());
    let of_database = if cluster.is_some() { extent.database_bytes() } else { 0 };
    let hint =
        "free some space on that volume, or enlarge it, then run the command again; nothing was changed";
    match cluster {
        Some(cluster) if is_apart(&sites, &cluster) => {
            require(&sites, "the files of the backup", of_files, hint)?;
            require(&cluster, "the database of the backup", of_database, hint)
        }
        _ => require(&sites, "the backup", of_files.saturating_add(of_database), hint),
    }
}

/// True if the folders are on two file systems.
fn is_apart(one: &Path, other: &Path) -> bool {
    let device = |path: &Path| stat(path).map(|stat| stat.st_dev).ok();
    device(one) != device(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_what_is_free_and_what_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        require(folder.path(), "x", 1, "h").unwrap();
        let fault = require(folder.path(), "the backup", u64::MAX, "h").unwrap_err();
        assert_eq!((fault.code, fault.refusal), (75, Some(Refusal::SpaceMissing)));
        assert!(fault.cause.contains(&format!("({} bytes)", u64::MAX)), "{fault}");
    }

    #[test]
    fn every_file_takes_more_than_its_contents() {
        let extent = Extent { files: Amount { count: 2, bytes: 10 }, dump_bytes: 100 };
        assert_eq!((extent.files_bytes(), extent.database_bytes()), (10 + 2 * 4096, 300));
    }
}
