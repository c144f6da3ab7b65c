//! Reads bench's own archives. Others may have written them: only files and folders below `public/files` and
//! `private/files` are unpacked, no link, no device, and no path that leaves its folder.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value};
use tokio::net::unix::pipe;

use super::source::{Archives, Dump};
use super::space::Extent;
use crate::bench::file_thread::on_file_thread;
use crate::bench::json_file;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};
use crate::sys::exec;

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Unpacks the database's archive into a pipe, on a thread of its own.
pub fn stream(path: &Path) -> Result<Dump> {
    let mut plain = open(path)?;
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

/// Opens a file that may be compressed.
fn open(path: &Path) -> Result<Box<dyn Read + Send>> {
    let fault = |error: &io::Error| Fault::file(format!("cannot read {}", path.display()), error);
    let mut file = File::open(path).map_err(|error| fault(&error))?;
    let mut start = [0; 2];
    let read = file.read(&mut start).map_err(|error| fault(&error))?;
    let whole = io::Cursor::new(start).take(read as u64).chain(BufReader::new(file));
    if path.extension().is_some_and(|ending| ending == "enc" || ending == "gpg") {
        return Err(Fault::configuration(
            format!("{} is encrypted by bench", path.display()),
            "decrypt it first: gpg --decrypt --output FILE.sql.gz FILE, with backup_encryption_key of that site",
        )
        .named(Refusal::BackupDamaged));
    }
    Ok(if start == GZIP { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) })
}

/// Reads every archive to its end, before anything is changed, and returns what is in them.
pub async fn check(archives: &Archives) -> Result<Extent> {
    let archives = archives.clone();
    on_file_thread(move || {
        let mut extent = Extent::default();
        for path in [&archives.public_files, &archives.private_files].into_iter().flatten() {
            each_entry(path, &mut |_, is_folder, size_bytes, _| {
                if !is_folder {
                    extent.files.count += 1;
                    extent.files.bytes += size_bytes;
                }
                Ok(())
            })?;
        }
        if let Some(path) = &archives.database {
            let read = io::copy(&mut open(path)?, &mut io::sink());
            extent.dump_bytes = read.map_err(|error| damaged(&path.display().to_string(), &error))?;
        }
        archives.site_config.as_deref().map(site_config).transpose()?;
        Ok(extent)
    })
    .await?
}

/// Unpacks the files of the site.
pub async fn unpack(archives: &Archives, folder: &Path) -> Result<()> {
    let (archives, folder) = (archives.clone(), folder.to_path_buf());
    on_file_thread(move || {
        for (path, part) in
            [(&archives.public_files, "public/files"), (&archives.private_files, "private/files")]
        {
            let Some(path) = path else { continue };
            fs::create_dir_all(folder.join(part)).map_err(|error| unwritable(&folder, &error))?;
            each_entry(path, &mut |relative, is_folder, _, entry| {
                write(&folder.join(relative), is_folder, entry)
            })?;
        }
        Ok(())
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

type OnEntry<'a> = &'a mut dyn FnMut(&Path, bool, u64, &mut dyn Read) -> Result<()>;

/// Calls `on_entry` with every file and folder below `public/files` or `private/files`: its path from there on up to the
/// site's folder, and whether it is a folder.
///
/// # Errors
/// 65 for a damaged archive, a link, a device, or a path with `..`.
fn each_entry(path: &Path, on_entry: OnEntry<'_>) -> Result<()> {
    let name = path.display().to_string();
    let damaged = |error: io::Error| damaged(&name, &error);
    let mut archive = tar::Archive::new(open(path)?);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let inside = entry.path().map_err(damaged)?.into_owned();
        let kind = entry.header().entry_type();
        let relative =
            site_path(&inside).ok_or_else(|| unsafe_entry(&name, &inside, "its path leaves the archive"))?;
        if !kind.is_file() && !kind.is_dir() {
            return Err(unsafe_entry(&name, &inside, "it is neither a file nor a folder"));
        }
        if let Some(relative) = relative {
            let size_bytes = entry.size();
            on_entry(&relative, kind.is_dir(), size_bytes, &mut entry)?;
        }
        // Reading to the end finds an archive that was cut off in this entry.
        io::copy(&mut entry, &mut io::sink()).map_err(damaged)?;
    }
    Ok(())
}

/// The path from `public` or `private` on; Some(None) for a folder above it; None for a path that leaves the archive.
fn site_path(inside: &Path) -> Option<Option<PathBuf>> {
    let mut parts = Vec::new();
    for part in inside.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_os_string()),
            _ => return None,
        }
    }
    let begins =
        |pair: &[std::ffi::OsString]| (pair[0] == "public" || pair[0] == "private") && pair[1] == "files";
    let at = parts.windows(2).position(begins);
    Some(at.map(|at| parts[at..].iter().collect()))
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

fn unsafe_entry(name: &str, inside: &Path, reason: &str) -> Fault {
    Fault::foreign_data(
        format!("{name} contains {}, which is not restored: {reason}", inside.display()),
        "use an archive that bench wrote; nothing was changed",
    )
    .named(Refusal::BackupDamaged)
}

fn unwritable(path: &Path, error: &io::Error) -> Fault {
    Fault::file(format!("cannot write {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backups::manifest::Amount;

    fn tar_of(entries: &[(&str, tar::EntryType)]) -> tempfile::NamedTempFile {
        let mut builder = tar::Builder::new(tempfile::NamedTempFile::new().unwrap());
        for (path, kind) in entries {
            let mut header = tar::Header::new_gnu();
            // set_path refuses `..`; an attacker writes it.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(if kind.is_file() { 3 } else { 0 });
            header.set_mode(0o644);
            if kind.is_symlink() || kind.is_hard_link() {
                header.as_old_mut().linkname[..4].copy_from_slice(b"/etc");
            }
            header.set_cksum();
            let bytes: &[u8] = if kind.is_file() { b"abc" } else { b"" };
            builder.append(&header, bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn archives(public_files: &Path) -> Archives {
        Archives { public_files: Some(public_files.into()), ..Archives::default() }
    }

    #[tokio::test]
    async fn files_of_the_site_are_unpacked_and_no_others() {
        use tar::EntryType::{Directory, Regular};
        let tar = tar_of(&[
            ("./erp.test/public/files/", Directory),
            ("./erp.test/public/files/a/b.txt", Regular),
            ("./erp.test/site_config.json", Regular),
        ]);
        let folder = tempfile::tempdir().unwrap();
        let extent = check(&archives(tar.path())).await.unwrap();
        assert_eq!(extent, Extent { files: Amount { count: 1, bytes: 3 }, dump_bytes: 0 });
        unpack(&archives(tar.path()), folder.path()).await.unwrap();
        assert_eq!(fs::read(folder.path().join("public/files/a/b.txt")).unwrap(), b"abc");
        assert!(!folder.path().join("site_config.json").exists());
    }

    #[tokio::test]
    async fn links_devices_and_paths_that_leave_the_archive_are_refused() {
        use tar::EntryType::{Block, Char, Fifo, Link, Regular, Symlink};
        for (path, kind) in [
            ("s/public/files/l", Symlink),
            ("s/public/files/l", Link),
            ("s/public/files/l", Char),
            ("s/public/files/l", Block),
            ("s/public/files/l", Fifo),
            ("s/public/files/../../x", Regular),
            ("/public/files/x", Regular),
        ] {
            let tar = tar_of(&[(path, kind)]);
            let fault = check(&archives(tar.path())).await.unwrap_err();
            assert_eq!(
                (fault.code, fault.refusal),
                (65, Some(Refusal::BackupDamaged)),
                "{path} {kind:?}: {fault}"
            );
        }
    }

    #[tokio::test]
    async fn an_archive_that_was_cut_off_is_refused() {
        let tar = tar_of(&[("s/public/files/a", tar::EntryType::Regular)]);
        tar.as_file().set_len(514).unwrap();
        assert_eq!(check(&archives(tar.path())).await.unwrap_err().code, 65);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&[7; 10_000]).unwrap();
        let bytes = gzip.finish().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        for length in [bytes.len() - 1, bytes.len() / 2, 5] {
            fs::write(file.path(), &bytes[..length]).unwrap();
            let archives = Archives { database: Some(file.path().into()), ..Archives::default() };
            assert_eq!(check(&archives).await.unwrap_err().code, 65, "{length} bytes");
        }
    }
}
