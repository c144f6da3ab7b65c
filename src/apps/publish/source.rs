//! Takes an app's source for a bundle from its repository, or from a bundle of the same commit.

use std::fs;
use std::io;
use std::path::Path;

use super::super::git::MissingSubmodule;
use super::super::source_tree::{copy_tree, remove_git};
use crate::config::apps::AppSpec;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};

/// Copies source and assets of a bundle, but not bytecode and requirements, which depend on its Python.
pub(super) fn copy_sources(bundle: &Path, root: &Path) -> io::Result<()> {
    for folder in ["source", "assets"] {
        if bundle.join(folder).is_dir() {
            copy_tree(&bundle.join(folder), &root.join(folder))?;
        }
    }
    Ok(())
}

/// Takes the repository, or its subfolder, without git's own files: the history and the address of the remote.
pub(super) fn extract_source(app: &AppSpec, repository: &Path, source: &Path) -> Result<()> {
    let label = app.label();
    let folder = app.subfolder.as_ref().map_or(repository.to_path_buf(), |folder| repository.join(folder));
    let outside = || {
        let cause = format!(
            "app {label}: its repository has no folder `{}`",
            app.subfolder.clone().unwrap_or_default()
        );
        Fault::configuration(cause, "correct its subfolder").named(Refusal::AppUnusable)
    };
    let fault = |error: &io::Error| {
        Fault::file(format!("cannot take the source of app {label} from its repository"), error)
    };
    let root = fs::canonicalize(repository).map_err(|error| fault(&error))?;
    // A link that leads out of the repository is refused.
    let folder = fs::canonicalize(folder).map_err(|_| outside())?;
    if !folder.is_dir() || !folder.starts_with(&root) {
        return Err(outside());
    }
    fs::rename(folder, source).map_err(|error| fault(&error))?;
    remove_git(source).map_err(|error| fault(&error))
}

/// Replaces the fault of an unusable folder by that of a missing submodule, if one overlaps the folder.
pub(super) fn blame_submodule(lacking: &[MissingSubmodule], folder: Option<&str>, fault: Fault) -> Fault {
    let folder = Path::new(folder.unwrap_or_default());
    match lacking.iter().find(|lacking| lacking.overlaps(folder)) {
        Some(MissingSubmodule { fault: why, .. }) => {
            Fault { cause: format!("{}; {}", fault.cause, why.cause), ..why.clone() }
        }
        None => fault,
    }
}
