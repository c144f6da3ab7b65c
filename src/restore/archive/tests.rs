use flate2::Compression;
use flate2::write::GzEncoder;
use tar::EntryType::{Block, Char, Directory, Fifo, Link, Regular, Symlink};

use super::*;
use crate::backups::manifest::Amount;

const FOLDER: (&str, tar::EntryType) = ("./erp.test/public/files/", Directory);

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

async fn refusal(archives: &Archives, site: Option<&str>) -> (u8, Option<Refusal>) {
    let fault = check(archives, site).await.unwrap_err();
    (fault.code, fault.refusal)
}

#[tokio::test]
async fn files_of_one_part_of_the_site_are_unpacked_and_no_others() {
    let tar = tar_of(&[
        FOLDER,
        ("./erp.test/public/files/a/b.txt", Regular),
        ("./erp.test/private/files/c.txt", Regular),
        ("./erp.test/site_config.json", Regular),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let checked = check(&archives(tar.path()), Some("erp.test")).await.unwrap();
    assert_eq!(checked.extent, Extent { files: Amount { count: 1, bytes: 3 }, dump_bytes: 0 });
    unpack(&archives(tar.path()), folder.path()).await.unwrap();
    assert_eq!(fs::read(folder.path().join("public/files/a/b.txt")).unwrap(), b"abc");
    assert!(!folder.path().join("site_config.json").exists() && !folder.path().join("private").exists());
}

#[tokio::test]
async fn links_devices_and_paths_that_leave_the_archive_are_refused() {
    for (path, kind) in [
        ("s/public/files/l", Symlink),
        ("s/public/files/l", Link),
        ("s/public/files/l", Char),
        ("s/public/files/l", Block),
        ("s/public/files/l", Fifo),
        ("s/public/files/../../x", Regular),
        ("/public/files/x", Regular),
    ] {
        let tar = tar_of(&[FOLDER, (path, kind)]);
        assert_eq!(
            refusal(&archives(tar.path()), None).await,
            (65, Some(Refusal::BackupDamaged)),
            "{path} {kind:?}"
        );
    }
}

/// An archive with nothing of a part would replace that part by an empty folder.
#[tokio::test]
async fn an_archive_without_the_part_is_refused() {
    let private =
        tar_of(&[("./erp.test/private/files/", Directory), ("./erp.test/private/files/a", Regular)]);
    let empty = tar_of(&[]);
    let dump = tempfile::NamedTempFile::new().unwrap();
    fs::write(dump.path(), "-- PostgreSQL database dump\n".repeat(50)).unwrap();
    for path in [private.path(), empty.path(), dump.path()] {
        assert_eq!(refusal(&archives(path), None).await, (65, Some(Refusal::BackupDamaged)));
    }
    let archives = Archives { private_files: Some(private.path().into()), ..Archives::default() };
    check(&archives, None).await.unwrap();
}

#[tokio::test]
async fn an_archive_of_another_site_is_refused_unless_any_is_allowed() {
    let tar = tar_of(&[FOLDER]);
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().join("20261130_021500-other_test-files.tar");
    fs::copy(tar_of(&[("public/files/", Directory)]).path(), &named).unwrap();
    for path in [tar.path(), &named] {
        assert_eq!(refusal(&archives(path), Some("new.test")).await, (65, Some(Refusal::BackupOfOtherSite)));
        check(&archives(path), None).await.unwrap();
    }
    check(&archives(tar.path()), Some("erp.test")).await.unwrap();
    check(&archives(&named), Some("other.test")).await.unwrap();
}

#[tokio::test]
async fn an_archive_that_was_cut_off_is_refused() {
    let tar = tar_of(&[("s/public/files/a", Regular)]);
    // Within the file, at its end, and before the mark of the archive's end.
    for length in [514, 1023, 1024] {
        tar.as_file().set_len(length).unwrap();
        assert_eq!(refusal(&archives(tar.path()), None).await.0, 65, "{length} bytes");
    }
    tar.as_file().set_len(1024 + 512).unwrap();
    check(&archives(tar.path()), None).await.unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&[7; 10_000]).unwrap();
    let bytes = gzip.finish().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    for length in [bytes.len() - 1, bytes.len() / 2, 5] {
        fs::write(file.path(), &bytes[..length]).unwrap();
        let archives = Archives { database: Some(file.path().into()), ..Archives::default() };
        assert_eq!(check(&archives, None).await.unwrap_err().code, 65, "{length} bytes");
    }
}

/// The digest of gzip stands behind the end of the archive in it.
#[tokio::test]
async fn a_compressed_archive_is_read_to_its_end() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&fs::read(tar_of(&[FOLDER]).path()).unwrap()).unwrap();
    let mut bytes = gzip.finish().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &bytes).unwrap();
    check(&archives(file.path()), None).await.unwrap();
    let digest = bytes.len() - 8;
    bytes[digest] ^= 1;
    fs::write(file.path(), &bytes).unwrap();
    assert_eq!(refusal(&archives(file.path()), None).await.0, 65);
}
