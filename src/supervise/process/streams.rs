//! The pipes of a child's standard streams: created before the fork, and served by tasks afterwards.

use std::io;
use std::os::fd::OwnedFd;

use secrecy::ExposeSecret;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::watch;

use crate::supervise::output::{self, LineHandler, Stream};
use crate::supervise::spawn::{Output, Stdin};
use crate::sys::exec;

/// The child's stdin, and our end if we write to it. None if it is inherited.
pub(super) fn open_stdin(stdin: &Stdin) -> io::Result<Option<(OwnedFd, Option<OwnedFd>)>> {
    match stdin {
        Stdin::Inherit => Ok(None),
        Stdin::Pipe(read_end) => Ok(Some((read_end.try_clone()?, None))),
        Stdin::Null => Ok(Some((exec::null()?, None))),
        Stdin::Bytes(_) => exec::pipe().map(|(read_end, write_end)| Some((read_end, Some(write_end)))),
    }
}

/// Our ends of the pipes that are read line by line.
pub(super) type Ours = Vec<(Stream, OwnedFd)>;

/// Our ends, and the child's stdout and stderr; None if they are inherited.
pub(super) fn open_output(output: &Output) -> io::Result<(Ours, Option<[OwnedFd; 2]>)> {
    match output {
        Output::Inherit => Ok((Vec::new(), None)),
        Output::Lines(_) => {
            let ((our_out, their_out), (our_err, their_err)) = (exec::pipe()?, exec::pipe()?);
            let ours = vec![(Stream::Stdout, our_out), (Stream::Stderr, our_err)];
            Ok((ours, Some([their_out, their_err])))
        }
        Output::Pipe(write_end, _) => {
            let (our_err, their_err) = exec::pipe()?;
            Ok((vec![(Stream::Stderr, our_err)], Some([write_end.try_clone()?, their_err])))
        }
    }
}

/// Reads the output streams to their ends. `open` is dropped when all have ended.
pub(super) fn read_output(pid: i32, handler: &LineHandler, ours: Ours, open: &watch::Sender<()>) {
    for (stream, pipe) in ours {
        let (open, handler) = (open.clone(), handler.clone());
        tokio::spawn(async move {
            output::read_lines(stream, pid, pipe, handler).await;
            drop(open);
        });
    }
}

/// Writes the bytes as the child reads them, then closes the pipe. A child that ends early is no error. The
/// copy is wiped when the task drops it.
pub(super) fn feed(bytes: secrecy::SecretSlice<u8>, write_end: OwnedFd) {
    tokio::spawn(async move {
        if let Ok(mut sender) = pipe::Sender::from_owned_fd(write_end) {
            let _ = sender.write_all(bytes.expose_secret()).await;
        }
    });
}
