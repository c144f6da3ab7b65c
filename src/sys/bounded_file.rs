//! Reads small files whose paths others choose: it ends whatever the path leads to. An ordinary read of a pipe that
//! nobody writes to, or of `/dev/zero`, never ends, and the signals of this program are not handled meanwhile.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The largest file that is read.
const MAX_BYTES: u64 = 4 << 20;
/// The time in which the writer of a pipe has to write all.
const PIPE_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads a regular file.
///
/// # Errors
/// As those of [`std::fs::read`]; it is no regular file; it is larger than 4 MiB.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let (file, is_pipe) = open(path)?;
    if is_pipe {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is a pipe, not a file"));
    }
    read_all(file)
}

/// Reads the text in a regular file, or in a pipe, such as a shell's `<(command)`.
///
/// # Errors
/// As those of [`read`]; nobody wrote to the pipe, or ended writing, within 10 s; the text is not UTF-8.
pub fn read_text_or_pipe(path: &Path) -> io::Result<String> {
    let (file, is_pipe) = open(path)?;
    let bytes = if is_pipe { read_all(Pipe { file, begin: Instant::now() })? } else { read_all(file)? };
    String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "the text is not UTF-8"))
}

/// Opens a file or a pipe; returns true for a pipe. Opening one does not wait for its writer.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    let kind = file.metadata()?.file_type();
    // Reading a folder fails with an error that says so.
    if kind.is_file() || kind.is_dir() || kind.is_fifo() {
        return Ok((file, kind.is_fifo()));
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "it is a device, not a file"))
}

fn read_all(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(ErrorKind::FileTooLarge, "it is larger than 4 MiB"));
    }
    Ok(bytes)
}

/// The reading end of a pipe, without blocking.
struct Pipe {
    file: File,
    begin: Instant,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Before a first writer has come, a read would return the end of the file.
        let left = PIPE_TIMEOUT.saturating_sub(self.begin.elapsed());
        let mut watched = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        if poll(&mut watched, PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO))? == 0 {
            let seconds = PIPE_TIMEOUT.as_secs();
            let cause = format!("it is a pipe, and nobody ended writing to it within {seconds} s");
            return Err(io::Error::new(ErrorKind::TimedOut, cause));
        }
        self.file.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use nix::sys::stat::Mode;

    use super::*;

    #[test]
    fn a_pipe_is_read_to_its_end_and_no_file_for_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        assert_eq!(read(&path).unwrap_err().kind(), ErrorKind::InvalidInput);
        let writer = path.clone();
        let writing = std::thread::spawn(move || {
            let mut pipe = OpenOptions::new().write(true).open(writer).unwrap();
            pipe.write_all(b"sec").unwrap();
            pipe.write_all(b"ret").unwrap();
        });
        assert_eq!(read_text_or_pipe(&path).unwrap(), "secret");
        writing.join().unwrap();
    }

    #[test]
    fn devices_and_large_files_are_refused() {
        for device in ["/dev/zero", "/dev/null"] {
            assert_eq!(read(Path::new(device)).unwrap_err().kind(), ErrorKind::InvalidInput, "{device}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(MAX_BYTES).unwrap();
        assert_eq!(read(file.path()).unwrap().len() as u64, MAX_BYTES);
        file.as_file().set_len(MAX_BYTES + 1).unwrap();
        assert_eq!(read(file.path()).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }
}
