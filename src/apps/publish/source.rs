//! An app's source, as a bundle begins with it: out of its repository, or of a bundle of the same commit.

use std::fs;
use std::io;
use std::path::Path;

use super::super::bundle::Bundle;
use super::super::git::Lacking;
use super::super::source_tree::{copy_tree, remove_git};
use crate::config::apps::AppSpec;
use crate::outcome::{Fault, Result};

/// Source and assets of a bundle; bytecode and requirements are its own Python's.
pub(super) fn copy_sources(bundle: &Bundle, root: &Path) -> io::Result<()> {
    for folder in ["source", "assets"] {
        if bundle.root.join(folder).is_dir() {
            copy_tree(&bundle.root.join(folder), &root.join(folder))?;
        }
    }
    Ok(())
}

/// The repository, or its subfolder, without anything of git's: history, and the address it came from.
pub(super) fn take_source(app: &AppSpec, repository: &Path, source: &Path) -> Result<()> {
    let label = app.label();
    let folder = app.subfolder.as_ref().map_or(repository.to_path_buf(), |folder| repository.join(folder));
    let outside = || {
        let cause = format!(
            "app {label}: its repository has no folder `{}`",
            app.subfolder.clone().unwrap_or_default()
        );
        Fault::configuration(cause, "correct its subfolder")
    };
    let fault =
        |error: &io::Error| Fault::file(format!("cannot take app {label} from its repository"), error);
    let root = fs::canonicalize(repository).map_err(|error| fault(&error))?;
    // A link out of the repository is none of its folders.
    let folder = fs::canonicalize(folder).map_err(|_| outside())?;
    if !folder.is_dir() || !folder.starts_with(&root) {
        return Err(outside());
    }
    fs::rename(folder, source).map_err(|error| fault(&error))?;
    remove_git(source).map_err(|error| fault(&error))
}

/// Why the folder is no app: a submodule that it lies in, or that should lie in it, cannot be had.
pub(super) fn for_want_of(lacking: &[Lacking], folder: Option<&str>, fault: Fault) -> Fault {
    let folder = Path::new(folder.unwrap_or_default());
    match lacking.iter().find(|lacking| lacking.touches(folder)) {
        Some(Lacking { fault: why, .. }) => {
            Fault { cause: format!("{}; {}", fault.cause, why.cause), ..why.clone() }
        }
        None => fault,
    }
}
