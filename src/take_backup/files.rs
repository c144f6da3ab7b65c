//! The files of the site: public and private files, and site_config.json with its encryption key.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::amounts;
use super::progress;
use super::site::Site;
use crate::backups::manifest::Files;
use crate::backups::tags::Tags;
use crate::outcome::{Fault, Flow, Result, Stopped};
use crate::pod::Pod;
use crate::restic::{Restic, Saved, Source};

const DOING: &str = "cannot save the files in";
/// Below the site's folder.
pub const PUBLIC: &str = "public/files";
pub const PRIVATE: &str = "private/files";
const CONFIG: &str = "site_config.json";
/// The files that are named in a message; the manifest has all.
const SHOWN: usize = 5;

/// Saves the files, and returns what is in the snapshot, and the files that went meanwhile.
///
/// # Errors
/// 77 for files that this user cannot read, 75 if restic fails; a signal.
pub async fn save(pod: &Pod, restic: &Restic<'_>, site: &Site, tags: &Tags) -> Flow<(Files, Vec<String>)> {
    let sites = pod.bench.sites();
    let source = Source::Paths { folder: sites.clone(), paths: paths(&sites, &site.name)? };
    let saving = restic.save(source, &tags.words(), &site.name)?;
    let seen = || {
        let progress = saving.progress();
        (progress.bytes_done, Some(progress.total_bytes))
    };
    let saved = tokio::select! {
        saved = restic.finish(DOING, &saving) => saved?,
        never = progress::show(&pod.status, "the files", seen) => match never {},
    };
    let vanished = vanished(&saved, &sites)?;
    let files = amounts::read(restic, &saved.id, &site.name).await?;
    tracing::info!(
        event = "backup.files_saved",
        snapshot = saved.id.short(),
        files = files.public.count + files.private.count,
        bytes = files.public.bytes + files.private.bytes,
        added_bytes = saved.added_bytes,
        "saved the files"
    );
    Ok((files, vanished))
}

/// The identity of the folders of files. A restore renames others in their place.
pub struct Folders([Option<(u64, u64)>; 2]);

impl Folders {
    pub fn of(site: &Path) -> Self {
        let identity = |part| fs::metadata(site.join(part)).ok().map(|folder| (folder.dev(), folder.ino()));
        Self([PUBLIC, PRIVATE].map(identity))
    }

    /// Refuses files that are not those of the database that was dumped before.
    ///
    /// # Errors
    /// 75 if the folders were replaced.
    pub fn unchanged(&self, site: &Path) -> Result<()> {
        // The first upload makes a folder that was not there.
        let is_other = |(before, now): (Option<_>, Option<_>)| before.is_some() && before != now;
        if !self.0.into_iter().zip(Self::of(site).0).any(is_other) {
            return Ok(());
        }
        let cause =
            "the folders of the site's files were replaced after its database was dumped, as by a restore";
        Err(Fault::try_again(cause, "start the backup again; this one does not count"))
    }
}

/// The paths below `sites/` that exist.
fn paths(sites: &Path, site: &str) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for part in [PUBLIC, PRIVATE, CONFIG] {
        let path = Path::new(site).join(part);
        let shown = sites.join(&path);
        match fs::symlink_metadata(&shown) {
            Ok(metadata) if metadata.is_symlink() => {
                let cause =
                    format!("{} is a link, of which restic would save the link alone", shown.display());
                return Err(Fault::configuration(cause, "mount the files there, or move them there"));
            }
            Ok(_) => paths.push(path),
            // A site without uploads has no folder for them.
            Err(error) if error.kind() == ErrorKind::NotFound && part != CONFIG => {}
            Err(error) => return Err(Fault::file(format!("cannot read {}", shown.display()), &error)),
        }
    }
    Ok(paths)
}

/// The files that are gone. One that is still there cannot be read, and the backup would lack it.
fn vanished(saved: &Saved, sites: &Path) -> Flow<Vec<String>> {
    let below = |path: &String| {
        Path::new(path).strip_prefix(sites).map_or(path.clone(), |path| path.display().to_string())
    };
    let is_there = |path: &&String| fs::symlink_metadata(sites.join(path)).is_ok();
    let there: Vec<String> = saved.unreadable.iter().filter(is_there).map(below).collect();
    if let Some(first) = there.first() {
        let (count, uid) = (there.len(), nix::unistd::getuid());
        let cause = format!("{count} files of the site cannot be read, the first is {first}");
        let hint = format!("make them readable for this user (uid {uid}); this backup does not count");
        return Err(Stopped::Fault(Fault::permission(cause, hint)));
    }
    let vanished: Vec<String> = saved.unreadable.iter().map(below).collect();
    if !vanished.is_empty() {
        let first = vanished.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
        tracing::warn!(
            event = "backup.files_vanished",
            count = vanished.len(),
            first,
            "files were deleted while the backup was taken, and it does not contain them"
        );
    }
    Ok(vanished)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::restic::SnapshotId;

    #[test]
    fn a_site_without_uploads_and_none_without_its_configuration() {
        let sites = tempfile::tempdir().unwrap();
        fs::create_dir_all(sites.path().join("s/public/files")).unwrap();
        assert!(paths(sites.path(), "s").unwrap_err().cause.contains(CONFIG));
        fs::write(sites.path().join("s").join(CONFIG), "{}").unwrap();
        let found = paths(sites.path(), "s").unwrap();
        assert_eq!(found, [PathBuf::from("s/public/files"), PathBuf::from("s/site_config.json")]);
        fs::create_dir(sites.path().join("s/private")).unwrap();
        symlink("/elsewhere", sites.path().join("s").join(PRIVATE)).unwrap();
        assert!(paths(sites.path(), "s").unwrap_err().cause.contains("link"));
    }

    #[test]
    fn a_file_that_is_gone_is_named_and_one_that_is_there_is_a_failure() {
        let sites = tempfile::tempdir().unwrap();
        fs::write(sites.path().join("there"), "").unwrap();
        let path = |name: &str| sites.path().join(name).display().to_string();
        let saved = |unreadable| Saved { id: SnapshotId("1".into()), added_bytes: 0, unreadable };
        assert_eq!(vanished(&saved(vec![path("s/gone")]), sites.path()).unwrap(), ["s/gone"]);
        assert!(vanished(&saved(vec![path("s/gone"), path("there")]), sites.path()).is_err());
        assert!(vanished(&saved(Vec::new()), sites.path()).unwrap().is_empty());
    }
}
