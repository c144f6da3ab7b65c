//! Copies an app that only this image has to the volume: pods of the previous image still run while it is installed,
//! and would answer 500 without its code (docs/frappe-contract.md#code-of-a-new-app-in-old-pods).
//!
//! The copy is a normal bundle, except that its commit is a digest of its files: `apps/` of an image may have no
//! `.git`. A bundle of `apps fetch` is copied with its requirements. The requirements of an app in `apps/` are in the
//! image's own environment, and are not copied.

use std::fs;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::AppCode;
use super::baked::Image;
use super::bundle::Bundle;
use super::publish::{Origin, Publisher};
use super::python::Python;
use super::source_tree::{entries, entries_of_app};
use crate::config::apps::AppSpec;
use crate::outcome::{Fault, Flow};
use crate::pod::Pod;

/// Copies this pod's code of an app to the volume and returns the bundle; None if the image does not have the app.
///
/// # Errors
/// The app is not usable; the volume cannot be written; the stop signal.
pub async fn copy_to_volume(pod: &Pod, app: &str, code: Option<&AppCode>) -> Flow<Option<Bundle>> {
    let image = Image::read(&pod.bench)?;
    let publisher = Publisher {
        pod,
        python: &Python::of(&pod.bench)?,
        bundles: pod.bench.cauldron().join("bundles"),
        baked: &image.versions(),
        site: pod.config.site.as_deref(),
    };
    if let Some(AppCode::Bundle(bundle)) = code {
        return Ok(Some(publisher.copy(bundle).await?));
    }
    let folder = pod.bench.apps().join(app);
    if !image.apps.contains_key(app) {
        return Ok(None);
    }
    let commit =
        digest(&folder).map_err(|error| Fault::file(format!("cannot read {}", folder.display()), &error))?;
    let wanted = AppSpec {
        name: Some(app.to_string()),
        path: Some(folder.display().to_string()),
        build: Some(false),
        ..AppSpec::default()
    };
    let fetched = publisher.fetch(&wanted, &commit, Origin::Image(&folder)).await?;
    publisher.publish(fetched, &[]).await.map(Some)
}

/// A digest of the app's files: 40 hex digits, like a commit.
fn digest(folder: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    add(entries_of_app(folder)?, &mut hash)?;
    Ok(hash.finalize().iter().take(20).map(|byte| format!("{byte:02x}")).collect())
}

fn add(found: Vec<fs::DirEntry>, hash: &mut Sha256) -> io::Result<()> {
    for entry in found {
        let (path, kind) = (entry.path(), entry.file_type()?);
        hash.update(entry.file_name().as_encoded_bytes());
        hash.update([0]);
        if kind.is_dir() {
            add(entries(&path)?, hash)?;
        } else if kind.is_symlink() {
            hash.update(fs::read_link(&path)?.as_os_str().as_encoded_bytes());
        } else {
            hash.update(fs::read(&path)?);
        }
        hash.update([0]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_source_files_change_the_digest() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("shop/hooks.py", "one");
        let one = digest(folder.path()).unwrap();
        assert_eq!(one.len(), 40);
        write(".git/HEAD", "x");
        write("shop/__pycache__/hooks.pyc", "x");
        assert_eq!(digest(folder.path()).unwrap(), one);
        write("shop/hooks.py", "two");
        let two = digest(folder.path()).unwrap();
        assert_ne!(two, one);
        write("shop/more.py", "");
        assert_ne!(digest(folder.path()).unwrap(), two);
    }
}
