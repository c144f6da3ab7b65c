//! bench's own archives: examined to their ends before anything is changed, then read again.

mod dump;
mod entries;
mod form;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Map, Value};
use tokio::net::unix::pipe;

use super::source::{Archives, Checked, Dump};
use super::space::Extent;
use super::versions::Versions;
use crate::bench::file_thread::on_file_thread;
use crate::bench::json_file;
use crate::frappe::bench_archive::{is_same_site, site_of_file};
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};
use crate::sys::exec;

/// Unpacks the database's archive into a pipe, on a thread of its own.
pub fn stream(path: &Path) -> Result<Dump> {
    let mut plain = form::open(path)?.reader;
    let pipe = exec::pipe().and_then(|(read_end, write_end)| {
        Ok((pipe::Receiver::from_owned_fd(read_end)?, File::from(write_end)))
    });
    let (reader, mut write_end) = pipe.map_err(|error| Fault::file("cannot make a pipe", &error))?;
    let source = tokio::task::spawn_blocking(move || io::copy(&mut plain, &mut write_end).map(drop));
    let name = path.display().to_string();
    let end = async move {
        let ended = source.await.map_err(io::Error::other).and_then(std::convert::identity);
        match ended {
            // We stopped reading, and the code that did has reported the reason.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            ended => ended.map_err(|error| damaged(&name, &error)),
        }
    };
    Ok(Dump { reader, end: Box::pin(end) })
}

/// Examines every archive, and returns what is in them. `site` is the site that they may be of; None for any.
///
/// # Errors
/// 65 for an archive that is damaged, unsafe or of another site; 78 for one that cannot be read or is encrypted.
pub async fn check(archives: &Archives, site: Option<&str>) -> Result<Checked> {
    let (archives, site) = (archives.clone(), site.map(str::to_string));
    on_file_thread(move || {
        let (mut extent, mut versions) = (Extent::default(), Versions::default());
        let require_own = |path: &Path, of: Option<&str>| require_own(path, of, site.as_deref());
        for (path, part) in archives.files() {
            let sites = entries::each(path, part, &mut |_, is_folder, entry| {
                if !is_folder {
                    extent.files.count += 1;
                    extent.files.bytes += io::copy(entry, &mut io::sink())
                        .map_err(|error| damaged(&path.display().to_string(), &error))?;
                }
                Ok(())
            })?;
            sites.iter().try_for_each(|of| require_own(path, Some(of)))?;
        }
        if let Some(path) = &archives.database {
            let found = dump::examine(path)?;
            require_own(path, found.site.as_deref())?;
            (extent.dump_bytes, versions) = (found.bytes, found.versions);
        }
        archives.site_config.as_deref().map(site_config).transpose()?;
        for path in archives.paths() {
            require_own(path, path.file_name().and_then(|name| site_of_file(name.to_str()?)))?;
        }
        Ok(Checked { extent, versions })
    })
    .await?
}

/// Refuses an archive of another site than the one that it may be of.
fn require_own(path: &Path, of: Option<&str>, site: Option<&str>) -> Result<()> {
    let (Some(of), Some(site)) = (of, site) else { return Ok(()) };
    if is_same_site(of, site) {
        return Ok(());
    }
    Err(Fault::foreign_data(
        format!("{} is of site {of}, and SITE_NAME is {site}", path.display()),
        format!(
            "correct SITE_NAME or the archive, or add `--rename` to restore it as {site}; nothing was changed"
        ),
    )
    .named(Refusal::BackupOfOtherSite))
}

/// Unpacks the files of the site.
pub async fn unpack(archives: &Archives, folder: &Path) -> Result<()> {
    let (archives, folder) = (archives.clone(), folder.to_path_buf());
    on_file_thread(move || {
        archives.files().try_for_each(|(path, part)| {
            fs::create_dir_all(folder.join(part)).map_err(|error| unwritable(&folder, &error))?;
            let unpacked = entries::each(path, part, &mut |relative, is_folder, entry| {
                write(&folder.join(relative), is_folder, entry)
            });
            unpacked.map(drop)
        })
    })
    .await?
}

fn write(path: &Path, is_folder: bool, entry: &mut dyn Read) -> Result<()> {
    let mut written = || -> io::Result<()> {
        if is_folder {
            return fs::create_dir_all(path);
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = File::create(path)?;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        let mut piece = vec![0; 128 * 1024];
        loop {
            let length = entry.read(&mut piece)?;
            if length == 0 {
                return Ok(());
            }
            file.write_all(&piece[..length])?;
        }
    };
    written().map_err(|error| unwritable(path, &error))
}

/// The settings in a copy of site_config.json.
pub fn site_config(path: &Path) -> Result<Map<String, Value>> {
    let fault = |reason: String| {
        let cause = format!("{}: {reason}", path.display());
        Fault::foreign_data(cause, "give another copy of site_config.json, or none")
            .named(Refusal::BackupDamaged)
    };
    let read = json_file::read_object(path)
        .map_err(|error| Fault::file(format!("cannot read {}", path.display()), &error))?;
    read.map_err(|invalid| fault(invalid.to_string()))
}

fn damaged(name: &str, error: &io::Error) -> Fault {
    Fault::foreign_data(format!("{name} is damaged: {error}"), "use another backup; nothing was changed")
        .named(Refusal::BackupDamaged)
}

/// The refusal of a file that is something else than it should be.
fn refused(name: &str, reason: &str, hint: &str) -> Fault {
    Fault::foreign_data(format!("{name} {reason}"), format!("{hint}; nothing was changed"))
        .named(Refusal::BackupDamaged)
}

fn unwritable(path: &Path, error: &io::Error) -> Fault {
    Fault::file(format!("cannot write {}", path.display()), error)
}

#[cfg(test)]
mod tests;
