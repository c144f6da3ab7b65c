//! The repository before a backup: made at the first use, and refused if it is another installation's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::Request;
use super::files::{PRIVATE, PUBLIC};
use super::site::Site;
use crate::backups::list::{Backup, Contents, Tagged, Verified};
use crate::backups::tags::{OURS, Tags, Verdict};
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Flow, Result};
use crate::record::last_verified::LastVerified;
use crate::restic::{Presence, Restic, Snapshot};

/// What earlier backups say about the next one.
#[derive(Debug, Default)]
pub struct Before {
    /// The size of the last backup's database.
    pub database_bytes: Option<u64>,
    /// The dumps from before migrations that are in the repository, by name.
    pub dumps: BTreeSet<String>,
    /// The last verification of a backup of this site.
    pub verified: Option<LastVerified>,
}

/// Opens the repository, or makes it.
///
/// # Errors
/// 65 if the backups in it are another installation's; 78 if it is within the site's files; as [`Restic::open`].
pub async fn prepare(restic: &Restic<'_>, site: &Site, request: &Request) -> Flow<Before> {
    refuse_within(restic.folder.as_deref(), &site.folder, &restic.shown)?;
    if restic.open().await? == Presence::Absent {
        restic.create().await?;
        tracing::warn!(
            event = "backup.repository_created",
            repository = restic.shown,
            "made the backup repository: without its password (CAULDRON_BACKUP_PASSWORD) no backup can ever be read, so \
             keep the password outside of this cluster as well, where it survives the loss of everything here"
        );
        return Ok(Before::default());
    }
    let tagged = tagged(restic.snapshots(OURS).await?);
    refuse_other(&tagged, site, request, &restic.shown)?;
    restic.make_way().await?;
    let now = Timestamp::now();
    let contents = Contents::of(tagged, now);
    if let Some(newest) = contents.newest(&site.name).filter(|newest| newest.is_of_the_future(now)) {
        tracing::warn!(
            event = "backup.newer_one_of_the_future",
            newest = newest.id.as_str(),
            "the repository has a backup that is dated in the future, so that this one is not the newest: this machine's \
             clock is wrong, or that of the one that took it was"
        );
    }
    let of_site = contents
        .dumps
        .iter()
        .map(|dump| &dump.tags)
        .filter(|tags| tags.is_of(&site.name, &site.installation));
    let own = contents.backups.iter().filter(|backup| backup.is_of(&site.name, &site.installation));
    Ok(Before {
        verified: own.filter_map(verified).reduce(|one, other| one.and(Some(other))),
        database_bytes: contents.newest(&site.name).and_then(|backup| backup.database_bytes),
        dumps: of_site.filter_map(|tags| tags.dump.clone()).collect(),
    })
}

/// What the repository says about the verification of a backup: neither of the durations.
fn verified(backup: &Backup) -> Option<LastVerified> {
    let Verified { at, verdict } = backup.verified.as_ref()?;
    let (at_s, passed) = (at.as_second(), *verdict == Verdict::Passed);
    let passed_at_s = passed.then_some(at_s);
    Some(LastVerified {
        id: backup.id.to_string(),
        at_s,
        passed,
        passed_at_s,
        restore_ms: None,
        took_ms: None,
    })
}

/// Opens a repository that must exist.
///
/// # Errors
/// 65 if there is none; as [`Restic::open`].
pub async fn open_existing(restic: &Restic<'_>) -> Flow<()> {
    restic.check_program().await?;
    match restic.open().await? {
        Presence::There => Ok(()),
        Presence::Absent => Err(Fault::foreign_data(
            format!("there is no backup repository at {}", restic.shown),
            "check CAULDRON_BACKUP_TO; the first `backup` makes the repository",
        )
        .named(Refusal::RepositoryMissing)
        .into()),
    }
}

/// The backups in a repository.
///
/// # Errors
/// As [`Restic::snapshots`].
pub async fn contents(restic: &Restic<'_>) -> Flow<Contents> {
    Ok(Contents::of(tagged(restic.snapshots(OURS).await?), Timestamp::now()))
}

fn tagged(snapshots: Vec<Snapshot>) -> Vec<Tagged> {
    let ours = |snapshot: Snapshot| {
        let tags = Tags::parse(&snapshot.tags)?;
        Some(Tagged { snapshot: snapshot.id.0, time: snapshot.time, tags })
    };
    snapshots.into_iter().filter_map(ours).collect()
}

/// A repository within the site's files would contain itself, and the public ones are served.
fn refuse_within(repository: Option<&Path>, site: &Path, shown: &str) -> Result<()> {
    let Some(repository) = repository.map(resolved) else { return Ok(()) };
    if ![PUBLIC, PRIVATE].iter().any(|part| repository.starts_with(resolved(&site.join(part)))) {
        return Ok(());
    }
    Err(Fault::configuration(
        format!("the backup repository {shown} is within the site's files, which are in every backup"),
        "set CAULDRON_BACKUP_TO to a folder on another volume, which outlives this one",
    ))
}

/// The path without links, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|there| Some((there, there.canonicalize().ok()?)));
    there.map_or_else(
        || path.into(),
        |(there, real)| real.join(path.strip_prefix(there).unwrap_or(Path::new(""))),
    )
}

/// Two installations in one repository would list each other's backups, and one could restore the other's by mistake. So
/// the first backup beside another's has to be allowed.
fn refuse_other(tagged: &[Tagged], site: &Site, request: &Request, shown: &str) -> Result<()> {
    if tagged.iter().any(|tagged| tagged.tags.is_of(&site.name, &site.installation)) {
        return Ok(());
    }
    let Some(other) = tagged
        .iter()
        .map(|tagged| &tagged.tags)
        .find(|tags| request.beside.as_deref() != Some(tags.installation.as_str()))
    else {
        return Ok(());
    };
    let Tags { site: of, installation, .. } = other;
    Err(Fault::foreign_data(
        format!("the repository {shown} has the backups of site {of}, installation {installation}, and none of this one"),
        format!(
            "set CAULDRON_BACKUP_TO to a place of its own; if both are to share it: `backup --beside {installation}`, once"
        ),
    )
    .named(Refusal::RepositoryOfOther))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_repository_within_the_files_is_refused_also_by_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("sites/erp.test");
        fs::create_dir_all(site.join("public/files")).unwrap();
        symlink(&site, folder.path().join("link")).unwrap();
        let within = |path: &str| refuse_within(Some(&folder.path().join(path)), &site, "").is_err();
        for path in ["sites/erp.test/public/files", "sites/erp.test/private/files/a/b", "link/public/files/a"]
        {
            assert!(within(path), "{path}");
        }
        for path in ["sites/erp.test/private/backups", "sites/erp.test/public/files2", "sites", "backups"] {
            assert!(!within(path), "{path}");
        }
        refuse_within(None, &site, "").unwrap();
    }
}
