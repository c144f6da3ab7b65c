//! Replaces the site's files: unpacked beside them, then renamed, so that every file is there before and after.
//!
//! ```text
//!   stage/public/files ──┐                 ┌──▶ public/files
//!   public/files ────────┼─(two renames)───┴──▶ before/public/files ──▶ deleted at the end, or renamed back
//! ```
//!
//! Each state on the disk says what is left to do, so a killed restore continues.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::repository::amount;
use crate::bench::Bench;
use crate::bench::atomic_file::sync_folder;
use crate::bench::file_thread::on_file_thread;
use crate::outcome::{Fault, Result};
use crate::record::volume::Volume;

/// The folders that are replaced.
const PARTS: [&str; 2] = ["public/files", "private/files"];

/// The folders of a restore of one site.
#[derive(Clone, Debug)]
pub struct FileSwap {
    site: PathBuf,
    /// The files that come; complete once `staged` exists.
    stage: PathBuf,
    staged: PathBuf,
    /// The files that were there.
    before: PathBuf,
}

impl FileSwap {
    pub fn of(bench: &Bench, site: &str) -> Self {
        let ours = bench.cauldron_site(site).join("restore");
        Self {
            site: bench.site(site),
            stage: Volume::read_only(bench.cauldron_site(site)).unpacked(),
            staged: ours.join("staged"),
            before: ours.join("before"),
        }
    }

    /// The space that unpacking frees before it begins: what an earlier try has unpacked in part. None if one has unpacked
    /// everything, so that nothing more is needed.
    pub fn reusable_bytes(&self) -> Option<u64> {
        let earlier = || amount(&self.stage).unwrap_or_default().bytes;
        (!self.staged.exists()).then(earlier)
    }

    /// The empty folder into which the files are unpacked. None if an earlier try has unpacked them already.
    pub async fn stage(&self) -> Result<Option<PathBuf>> {
        let swap = self.clone();
        on_file_thread(move || {
            if swap.staged.exists() {
                return Ok(None);
            }
            remove(&swap.stage)
                .and_then(|()| fs::create_dir_all(&swap.stage))
                .map_err(|e| fault(&swap.stage, &e))?;
            Ok(Some(swap.stage))
        })
        .await?
    }

    /// Puts the unpacked files in their place. They are complete and on the disk.
    pub async fn put_in_place(&self) -> Result<()> {
        let swap = self.clone();
        on_file_thread(move || swap.put_in_place_now().map_err(|error| fault(&swap.site, &error))).await?
    }

    fn put_in_place_now(&self) -> io::Result<()> {
        if !self.staged.exists() {
            // The file system that holds the stage, with every file in it.
            nix::unistd::syncfs(fs::File::open(&self.stage)?).map_err(io::Error::from)?;
            fs::write(&self.staged, "")?;
        }
        for part in PARTS {
            let (new, place, old) = (self.stage.join(part), self.site.join(part), self.before.join(part));
            if !new.exists() {
                continue;
            }
            for path in [&place, &old] {
                fs::create_dir_all(path.parent().unwrap_or(path))?;
            }
            // A file at `old` is from the first rename of a killed try: what is in place now came later.
            match fs::rename(&place, free_name(&old)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            fs::rename(&new, &place)?;
            sync_folder(place.parent().unwrap_or(&place))?;
        }
        Ok(())
    }

    /// Renames the previous files back into their place.
    pub async fn put_back(&self) -> Result<()> {
        let swap = self.clone();
        on_file_thread(move || {
            for part in PARTS {
                let (old, place) = (swap.before.join(part), swap.site.join(part));
                if old.exists() {
                    remove(&place).and_then(|()| fs::rename(&old, &place)).map_err(|e| fault(&place, &e))?;
                }
            }
            swap.discard_now()
        })
        .await?
    }

    /// Deletes the previous files and what is left of the stage.
    pub async fn discard(&self) -> Result<()> {
        let swap = self.clone();
        on_file_thread(move || swap.discard_now()).await?
    }

    fn discard_now(&self) -> Result<()> {
        let _ = fs::remove_file(&self.staged);
        for folder in [&self.stage, &self.before] {
            remove(folder).map_err(|error| fault(folder, &error))?;
        }
        Ok(())
    }
}

/// The path, or one beside it if it is taken.
fn free_name(path: &Path) -> PathBuf {
    let with = |number: usize| path.with_file_name(format!("files.{number}"));
    if path.exists() { (2..).map(with).find(|path| !path.exists()).unwrap_or_default() } else { path.into() }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn fault(path: &Path, error: &io::Error) -> Fault {
    let fault = Fault::file(format!("cannot replace the files in {}", path.display()), error);
    match error.kind() {
        io::ErrorKind::CrossesDevices | io::ErrorKind::ResourceBusy => Fault {
            hint: "public/files and private/files have to be folders of the volume of sites/, not mounts of their own: \
                   restore with `--only database`, and the files by hand"
                .into(),
            ..fault
        },
        _ => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage() -> (tempfile::TempDir, FileSwap) {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::new(folder.path());
        fs::create_dir_all(bench.site("s").join("public/files")).unwrap();
        fs::write(bench.site("s").join("public/files/old"), "old").unwrap();
        (folder, FileSwap::of(&bench, "s"))
    }

    async fn unpack(swap: &FileSwap) {
        let folder = swap.stage().await.unwrap().unwrap();
        for part in PARTS {
            fs::create_dir_all(folder.join(part)).unwrap();
            fs::write(folder.join(part).join("new"), part).unwrap();
        }
    }

    fn names(swap: &FileSwap, part: &str) -> Vec<String> {
        let entries = fs::read_dir(swap.site.join(part)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn files_are_replaced_also_after_a_kill_between_the_renames() {
        let (_folder, swap) = stage();
        unpack(&swap).await;
        swap.put_in_place().await.unwrap();
        // As if the kill had come before the second folder, and before the second rename of the first.
        fs::create_dir_all(swap.stage.join("private")).unwrap();
        fs::rename(swap.site.join("private/files"), swap.stage.join("private/files")).unwrap();
        fs::create_dir_all(swap.stage.join("public")).unwrap();
        fs::rename(swap.site.join("public/files"), swap.stage.join("public/files")).unwrap();
        assert_eq!(swap.stage().await.unwrap(), None, "they are unpacked");
        swap.put_in_place().await.unwrap();
        for part in PARTS {
            assert_eq!(names(&swap, part), ["new"]);
        }
        assert_eq!(fs::read(swap.before.join("public/files/old")).unwrap(), b"old");
        swap.discard().await.unwrap();
        assert!(!swap.before.exists() && !swap.stage.exists());
    }

    #[tokio::test]
    async fn the_previous_files_come_back() {
        let (_folder, swap) = stage();
        unpack(&swap).await;
        swap.put_in_place().await.unwrap();
        swap.put_back().await.unwrap();
        assert_eq!(names(&swap, "public/files"), ["old"]);
        assert!(!swap.before.exists() && !swap.stage.exists());
    }
}
