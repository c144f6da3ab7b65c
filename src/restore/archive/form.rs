//! What a file is, from its first bytes: its name may say something else.

use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::{damaged, refused};
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Result};

/// Enough for the comments before a dump, which may list tables; a tar archive names itself at byte 257.
const START_BYTES: u64 = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Gzip,
    /// By gpg: bench encrypts an archive, and its name ends as before.
    Encrypted,
    Tar,
    /// What no archive of bench is, in words.
    Foreign(&'static str),
}

const SIGNS: [(usize, &[u8], Form); 10] = [
    (0, b"\x1f\x8b", Form::Gzip),
    (257, b"ustar", Form::Tar),
    (0, b"-----BEGIN PGP ", Form::Encrypted),
    (0, b"PK\x03\x04", Form::Foreign("a zip file")),
    (0, b"BZh", Form::Foreign("compressed by bzip2")),
    (0, b"\xfd7zXZ\0", Form::Foreign("compressed by xz")),
    (0, b"\x28\xb5\x2f\xfd", Form::Foreign("compressed by zstd")),
    (0, b"SQLite format 3\0", Form::Foreign("a database of SQLite")),
    (0, b"\xff\xfe", Form::Foreign("a text in UTF-16")),
    (0, b"\xfe\xff", Form::Foreign("a text in UTF-16")),
];
/// The first bytes of what gpg writes: a packet with a session's key.
const OPENPGP: [u8; 5] = [0x84, 0x85, 0x8c, 0xc1, 0xc3];

fn form(start: &[u8]) -> Option<Form> {
    let is_there = |at: usize, sign: &[u8]| start.get(at..).is_some_and(|rest| rest.starts_with(sign));
    let known = SIGNS.iter().find(|(at, sign, _)| is_there(*at, sign)).map(|(_, _, form)| *form);
    known.or_else(|| start.first().filter(|byte| OPENPGP.contains(byte)).map(|_| Form::Encrypted))
}

/// A file that is read from its beginning, uncompressed.
pub struct Opened {
    pub reader: Box<dyn Read + Send>,
    /// The first bytes of what the reader gives.
    pub start: Vec<u8>,
    pub is_tar: bool,
}

/// Opens a file that may be compressed by gzip.
///
/// # Errors
/// 78 for a file that cannot be read or is encrypted; 65 for one that is damaged, or something else than bench writes.
pub fn open(path: &Path) -> Result<Opened> {
    let fault = |error: &io::Error| Fault::file(format!("cannot read {}", path.display()), error);
    // Opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(|error| fault(&error))?.is_file() {
        return Err(Fault::configuration(
            format!("{} is not a file", path.display()),
            "give a regular file: it is read once to examine it, and again to restore it",
        ));
    }
    let file = File::open(path).map_err(|error| fault(&error))?;
    let (start, reader) = begin(BufReader::new(file)).map_err(|error| fault(&error))?;
    match form(&start) {
        Some(Form::Gzip) => {
            let begun = begin(MultiGzDecoder::new(reader));
            let (start, reader) = begun.map_err(|error| damaged(&path.display().to_string(), &error))?;
            match form(&start) {
                Some(Form::Gzip) => Err(unexpected(path, "compressed by gzip twice")),
                form => plain(path, form, start, reader),
            }
        }
        form => plain(path, form, start, reader),
    }
}

fn plain(path: &Path, form: Option<Form>, start: Vec<u8>, reader: Box<dyn Read + Send>) -> Result<Opened> {
    match form {
        Some(Form::Encrypted) => Err(Fault::configuration(
            format!("{} is encrypted by bench", path.display()),
            "decrypt it first: gpg --decrypt --output DECRYPTED FILE, with backup_encryption_key of that site",
        )
        .named(Refusal::BackupDamaged)),
        Some(Form::Foreign(what)) => Err(unexpected(path, what)),
        Some(Form::Tar | Form::Gzip) | None => Ok(Opened { reader, start, is_tar: form == Some(Form::Tar) }),
    }
}

fn begin(mut source: impl Read + Send + 'static) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut start = Vec::new();
    source.by_ref().take(START_BYTES).read_to_end(&mut start)?;
    Ok((start.clone(), Box::new(Cursor::new(start).chain(source))))
}

fn unexpected(path: &Path, what: &str) -> Fault {
    let hint = "give it as bench wrote it: uncompressed, or compressed once by gzip";
    refused(&path.display().to_string(), &format!("is {what}"), hint)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    fn opened(bytes: &[u8]) -> Result<Vec<u8>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut all = Vec::new();
        open(file.path())?.reader.read_to_end(&mut all).unwrap();
        Ok(all)
    }

    #[test]
    fn plain_and_compressed_files_are_read_from_their_beginning() {
        let large = b"-- text\n".repeat(20_000);
        for text in [&b""[..], b"x", b"-- text", &large] {
            assert_eq!(opened(text).unwrap(), text);
            assert_eq!(opened(&gzip(text)).unwrap(), text);
            assert_eq!(
                opened(&[gzip(b"-- head\n"), gzip(text)].concat()).unwrap(),
                [b"-- head\n", text].concat()
            );
        }
    }

    #[test]
    fn what_bench_does_not_write_is_named() {
        for (bytes, code, word) in [
            (gzip(&gzip(b"text")), 65, "twice"),
            (b"PK\x03\x04rest".to_vec(), 65, "zip"),
            (gzip(b"\x28\xb5\x2f\xfd"), 65, "zstd"),
            (b"\xff\xfe-\0-\0".to_vec(), 65, "UTF-16"),
            (b"\x8c\x0d\x04\x09\x03\x02".to_vec(), 78, "encrypted"),
            (gzip(b"-----BEGIN PGP MESSAGE-----\n"), 78, "encrypted"),
            (gzip(b"text")[..9].to_vec(), 65, "damaged"),
        ] {
            let fault = opened(&bytes).unwrap_err();
            assert_eq!((fault.code, fault.cause.contains(word)), (code, true), "{fault}");
        }
        assert_eq!(open(Path::new("/dev/null")).err().map(|fault| fault.code), Some(78));
        assert_eq!(open(Path::new("/")).err().map(|fault| fault.code), Some(78));
    }
}
