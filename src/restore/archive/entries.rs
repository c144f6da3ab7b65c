//! The entries of bench's archive of files. Others may have written it: only files and folders below `public/files` and
//! `private/files` are passed on, no link, no device, and no path that leaves its folder.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{damaged, form, refused};
use crate::outcome::{Fault, Result};

const BLOCK_BYTES: u64 = 512;

/// Gets a path from `public` or `private` on, whether it is a folder, and what the file contains.
pub type OnEntry<'a> = &'a mut dyn FnMut(&Path, bool, &mut dyn Read) -> Result<()>;

/// Calls `on_entry` with every file and folder of one part of a site: `public/files` or `private/files`. Returns the
/// folders of sites that the archive has.
///
/// # Errors
/// 65 for a damaged archive, one without that part, a link, a device, or a path with `..`.
pub fn each(path: &Path, part: &str, on_entry: OnEntry<'_>) -> Result<BTreeSet<String>> {
    let name = path.display().to_string();
    let damaged = |error: io::Error| damaged(&name, &error);
    let read_bytes = Arc::new(AtomicU64::new(0));
    let opened = form::open(path)?;
    if !opened.is_tar {
        return Err(refused(
            &name,
            "is not a tar archive",
            "give bench's archive of the files: …-files.tar or .tgz",
        ));
    }
    let mut archive = tar::Archive::new(Counted { inner: opened.reader, read_bytes: read_bytes.clone() });
    let (mut sites, mut has_part, mut end) = (BTreeSet::new(), false, 0);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        end = entry.raw_file_position() + entry.size().next_multiple_of(BLOCK_BYTES);
        let inside = entry.path().map_err(damaged)?.into_owned();
        let kind = entry.header().entry_type();
        let place =
            place(&inside).ok_or_else(|| unsafe_entry(&name, &inside, "its path leaves the archive"))?;
        if !kind.is_file() && !kind.is_dir() {
            return Err(unsafe_entry(&name, &inside, "it is neither a file nor a folder"));
        }
        if let Some(Place { site, relative }) = place {
            sites.extend(site.map(|site| site.to_string_lossy().into_owned()));
            if relative.starts_with(part) {
                has_part = true;
                on_entry(&relative, kind.is_dir(), &mut entry)?;
            }
        }
        // Reading to the end finds an archive that was cut off in this entry.
        io::copy(&mut entry, &mut io::sink()).map_err(damaged)?;
    }
    // One that was cut off between two entries lacks the empty block at its end.
    if read_bytes.load(Ordering::Relaxed) < end + BLOCK_BYTES {
        return Err(damaged(io::Error::other("it ends without the mark of its end: it was cut off")));
    }
    // The digest of gzip is behind that.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(damaged)?;
    if has_part {
        return Ok(sites);
    }
    let reason = format!("has no folder {part}: the site's would be replaced by an empty one");
    Err(refused(&name, &reason, "give public and private files each in its own option"))
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    read_bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.read_bytes.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// Where an entry belongs.
struct Place {
    /// The folder of the site, if the archive has one.
    site: Option<OsString>,
    /// The path from `public` or `private` on.
    relative: PathBuf,
}

/// Some(None) for an entry outside of both parts; None for a path that leaves the archive.
fn place(inside: &Path) -> Option<Option<Place>> {
    let mut parts = Vec::new();
    for part in inside.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_os_string()),
            _ => return None,
        }
    }
    let begins = |pair: &[OsString]| (pair[0] == "public" || pair[0] == "private") && pair[1] == "files";
    let at = parts.windows(2).position(begins);
    Some(at.map(|at| Place {
        site: at.checked_sub(1).map(|before| parts[before].clone()),
        relative: parts[at..].iter().collect(),
    }))
}

fn unsafe_entry(name: &str, inside: &Path, reason: &str) -> Fault {
    let reason = format!("contains {}, which is not restored: {reason}", inside.display());
    refused(name, &reason, "use an archive that bench wrote")
}
