//! Repositories in a folder: what restic does not ask before it makes one.

use std::fs;
use std::path::Path;

use super::run::Restic;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};

/// Folders of a repository. Without its file `config` it is damaged, and a second `init` would add a key that opens nothing.
const PARTS: [&str; 4] = ["data", "index", "keys", "snapshots"];
/// What a new file system has in its root.
const OF_THE_FILE_SYSTEM: &str = "lost+found";

impl Restic<'_> {
    /// A folder whose parent is absent is not made: a volume that is not mounted would be replaced by a folder in the
    /// container, whose backups end with it.
    ///
    /// # Errors
    /// 78 for a file, or if the folder above does not exist.
    pub(super) fn check_folder(&self) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        if folder.is_dir() {
            return Ok(());
        }
        let parent = folder.parent().unwrap_or(folder);
        let reason = match (folder.exists(), parent.is_dir()) {
            (false, true) => return Ok(()),
            (true, _) => "it is not a folder",
            (false, false) => "the folder above it does not exist",
        };
        Err(Fault::configuration(
            format!("cannot open the backup repository {}: {reason}", self.shown),
            "mount the volume of the backups, or check CAULDRON_BACKUP_TO",
        ))
    }

    /// A repository is made in a folder of its own.
    ///
    /// # Errors
    /// 78 for a folder with other files, 65 for one with the rest of a repository.
    pub(super) fn check_is_empty(&self) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        match contents(folder) {
            Contents::None => Ok(()),
            Contents::Repository => Err(Fault::foreign_data(
                format!("{} has the folders of a backup repository, and not its file `config`", self.shown),
                "put the file back from a copy of the repository: with another one, no backup in it can be read",
            )
            .named(Refusal::RepositoryDamaged)),
            Contents::Other(name) => Err(Fault::configuration(
                format!("{} has other files, such as `{name}`, and no backup repository", self.shown),
                "set CAULDRON_BACKUP_TO to a folder of its own, such as one in there, which is made",
            )),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Contents {
    /// Nothing, or the folder does not exist; or it cannot be read, which restic says itself.
    None,
    /// The rest of a repository.
    Repository,
    /// One name of other contents.
    Other(String),
}

fn contents(folder: &Path) -> Contents {
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != OF_THE_FILE_SYSTEM);
    names.sort();
    if PARTS.iter().all(|part| names.iter().any(|name| name == part)) {
        return Contents::Repository;
    }
    names.into_iter().next().map_or(Contents::None, Contents::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_system_is_empty_and_the_rest_of_a_repository_is_recognized() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str| fs::create_dir(folder.path().join(name)).unwrap();
        assert_eq!(contents(&folder.path().join("absent")), Contents::None);
        make(OF_THE_FILE_SYSTEM);
        assert_eq!(contents(folder.path()), Contents::None);
        make("keys");
        assert_eq!(contents(folder.path()), Contents::Other("keys".into()));
        PARTS.iter().filter(|part| **part != "keys").for_each(|part| make(part));
        assert_eq!(contents(folder.path()), Contents::Repository);
    }
}
