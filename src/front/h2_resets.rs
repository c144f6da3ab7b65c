//! Finds the frames by which h2 rejects malformed requests, among the frames that we send.
//!
//! h2 resets the stream before hyper's service sees a request, and does not report it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// RFC 9113, 4.1.
const HEADER_BYTES: usize = 9;
/// RFC 9113, 6.4 and 6.8.
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
/// Number of payload bytes up to the end of the error code.
const RST_STREAM_CODE_END: usize = 4;
const GOAWAY_CODE_END: usize = 8;
/// RFC 9113, 7.
const PROTOCOL_ERROR: u32 = 1;
const FRAME_SIZE_ERROR: u32 = 6;
const COMPRESSION_ERROR: u32 = 9;

/// A stream that calls `on_error` with the error's name for each malformed request.
pub struct ResetWatch<S> {
    stream: S,
    frames: Frames,
    on_error: Box<dyn Fn(&'static str) + Send>,
}

impl<S> ResetWatch<S> {
    pub fn new(stream: S, on_error: impl Fn(&'static str) + Send + 'static) -> Self {
        Self { stream, frames: Frames::default(), on_error: Box::new(on_error) }
    }
}

/// The position in the frames after the bytes sent so far.
#[derive(Default)]
struct Frames {
    partial: [u8; HEADER_BYTES + GOAWAY_CODE_END],
    partial_length: usize,
    skip: usize,
}

impl Frames {
    fn scan(&mut self, mut bytes: &[u8], on_error: &mut dyn FnMut(&'static str)) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            self.partial[self.partial_length] = *first;
            self.partial_length += 1;
            bytes = rest;
            if self.partial_length < HEADER_BYTES {
                continue;
            }
            let [a, b, c, kind, ..] = self.partial;
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            let code_end = match kind {
                RST_STREAM => RST_STREAM_CODE_END,
                GOAWAY => GOAWAY_CODE_END,
                _ => 0,
            }
            .min(length);
            if self.partial_length < HEADER_BYTES + code_end {
                continue;
            }
            if code_end >= RST_STREAM_CODE_END {
                let end = HEADER_BYTES + code_end;
                let code = self.partial[end - 4..end].try_into().map_or(0, u32::from_be_bytes);
                if let Some(name) = error_name(code) {
                    on_error(name);
                }
            }
            self.skip = length - code_end;
            self.partial_length = 0;
        }
    }
}

fn error_name(code: u32) -> Option<&'static str> {
    match code {
        PROTOCOL_ERROR => Some("PROTOCOL_ERROR"),
        FRAME_SIZE_ERROR => Some("FRAME_SIZE_ERROR"),
        COMPRESSION_ERROR => Some("COMPRESSION_ERROR"),
        _ => None,
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ResetWatch<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ResetWatch<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let written = std::task::ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, slices))?;
        let mut left = written;
        for slice in slices {
            let seen = left.min(slice.len());
            this.frames.scan(&slice[..seen], &mut |code| (this.on_error)(code));
            left -= seen;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, 0, 0, 0, 0, 1], payload].concat()
    }

    #[test]
    fn an_error_is_found_however_the_bytes_are_split() {
        let sent = [
            frame(4, &[]),
            frame(0, &[3; 300]),
            frame(RST_STREAM, &[0, 0, 0, 1]),
            frame(RST_STREAM, &[0, 0, 0, 8]),
            frame(1, &[7; 20]),
            frame(GOAWAY, &[0, 0, 0, 1, 0, 0, 0, 0]),
            frame(GOAWAY, &[0, 0, 0, 1, 0, 0, 0, 9, b'w', b'h', b'y']),
            frame(6, &[1; 8]),
        ]
        .concat();
        for cut in 1..sent.len() {
            let (mut frames, mut seen) = (Frames::default(), Vec::new());
            for part in sent.chunks(cut) {
                frames.scan(part, &mut |name| seen.push(name));
            }
            assert_eq!(seen, ["PROTOCOL_ERROR", "COMPRESSION_ERROR"], "{cut}");
        }
    }
}
