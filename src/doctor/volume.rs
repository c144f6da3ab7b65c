//! Checks of `sites/`: its owner, write access, file system and free space. Nothing is written to find out.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::statfs::statfs;
use nix::sys::statvfs::{FsFlags, Statvfs, statvfs};
use nix::unistd::{AccessFlags, access, getgid, getuid};

use super::finding::Finding;
use super::id::Id;
use super::space;
use crate::outcome::{self, Fault};

/// Runs every check of the volume.
pub fn check(sites: &Path, site: Option<&str>) -> Vec<Finding> {
    let mut findings = folders(sites, site);
    if !sites.is_dir() {
        let rest = [Id::VolumeWritable, Id::VolumeFilesystem, Id::VolumeSpace, Id::VolumeInodes];
        findings.extend(rest.map(|id| Finding::skipped(id, shown(sites), "sites/ does not exist")));
        return findings;
    }
    findings.extend(writable(sites, site));
    findings.push(filesystem(sites));
    findings.extend(free(sites));
    findings
}

/// All checks that need the folder, skipped for one reason.
pub fn skipped(sites: &Path, reason: &str) -> Vec<Finding> {
    let all = [Id::VolumeWritable, Id::VolumeFilesystem, Id::VolumeSpace, Id::VolumeInodes];
    all.into_iter().map(|id| Finding::skipped(id, shown(sites), reason)).collect()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn folders(sites: &Path, site: Option<&str>) -> Vec<Finding> {
    let site = site.map(|site| sites.join(site));
    std::iter::once((sites.to_path_buf(), true)).chain(site.map(|site| (site, false))).map(folder).collect()
}

fn folder((path, must_be_there): (std::path::PathBuf, bool)) -> Finding {
    let subject = shown(&path);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => {
            let detail = format!(
                "uid {} gid {} mode {:04o}; this process is uid {} gid {}",
                metadata.uid(),
                metadata.gid(),
                metadata.mode() & 0o7777,
                getuid(),
                getgid()
            );
            Finding::ok(Id::VolumeFolder, subject, detail)
        }
        Ok(_) => Finding::error(
            Id::VolumeFolder,
            outcome::CONFIGURATION,
            subject,
            "not a folder",
            "mount the volume on this path",
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_be_there => {
            Finding::info(Id::VolumeFolder, subject, "absent: the site has not been created on this volume")
        }
        Err(error) => {
            Finding::fault(Id::VolumeFolder, &subject, &Fault::file(format!("cannot read {subject}"), &error))
        }
    }
}

/// Checks the folders where the bootstrap and Frappe write. A folder that does not exist yet is created in its parent.
fn writable(sites: &Path, site: Option<&str>) -> Vec<Finding> {
    let ours = sites.join(".cauldron");
    let mut paths = vec![sites.to_path_buf(), ours.clone()];
    if let Some(site) = site {
        paths.extend([ours.join(site), sites.join(site), sites.join(site).join("locks")]);
    }
    let mut refused: Vec<Finding> = Vec::new();
    for path in paths.iter().filter(|path| path.exists()) {
        if let Err(errno) = access(path, AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK) {
            let fault = Fault::file(format!("cannot write {}", path.display()), &errno.into());
            refused.push(Finding::fault(Id::VolumeWritable, shown(path), &fault));
        }
    }
    if refused.is_empty() {
        refused.push(Finding::ok(Id::VolumeWritable, shown(sites), "this user may write"));
    }
    refused
}

fn filesystem(sites: &Path) -> Finding {
    let subject = shown(sites);
    match statfs(sites) {
        Ok(stat) => space::filesystem(subject, stat.filesystem_type().0),
        Err(errno) => Finding::skipped(Id::VolumeFilesystem, subject, &format!("statfs failed: {errno}")),
    }
}

fn free(sites: &Path) -> Vec<Finding> {
    let subject = shown(sites);
    match statvfs(sites) {
        Ok(stat) => {
            let read_only = stat.flags().contains(FsFlags::ST_RDONLY);
            vec![space(&subject, &stat, read_only), inodes(&subject, &stat)]
        }
        Err(errno) => {
            let reason = format!("statvfs failed: {errno}");
            [Id::VolumeSpace, Id::VolumeInodes].map(|id| Finding::skipped(id, &subject, &reason)).to_vec()
        }
    }
}

fn space(subject: &str, stat: &Statvfs, read_only: bool) -> Finding {
    if read_only {
        return Finding::skipped(Id::VolumeSpace, subject, "the mount is read-only");
    }
    space::bytes(subject, stat.blocks_available() * stat.fragment_size())
}

fn inodes(subject: &str, stat: &Statvfs) -> Finding {
    space::inodes(subject, stat.files(), stat.files_available())
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn a_writable_folder_is_fine_and_stays_unchanged() {
        let sites = tempfile::tempdir().unwrap();
        fs::create_dir(sites.path().join("s.local")).unwrap();
        let findings = check(sites.path(), Some("s.local"));
        assert!(findings.iter().all(|f| f.severity < Severity::Error), "{findings:?}");
        let ids: Vec<Id> = findings.iter().map(|f| f.id).collect();
        for id in
            [Id::VolumeFolder, Id::VolumeWritable, Id::VolumeFilesystem, Id::VolumeSpace, Id::VolumeInodes]
        {
            assert!(ids.contains(&id), "{id:?}");
        }
        assert_eq!(fs::read_dir(sites.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_sites_folder_is_one_error_and_the_rest_is_skipped() {
        let findings = check(Path::new("/nowhere/sites"), None);
        assert_eq!(findings.iter().filter(|f| f.severity == Severity::Error).count(), 1);
        assert_eq!(findings.len(), 5);
    }
}
