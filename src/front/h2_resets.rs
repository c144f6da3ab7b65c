//! Finds the frames by which h2 rejects requests, malformed ones and those beyond the streams that a connection may have,
//! among the frames that we send.
//!
//! h2 resets the stream before hyper's service sees a request, and does not report it. A server's first frame has
//! few settings, and so begins with a zero; a response of HTTP/1 begins with `HTTP`.

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
const REFUSED_STREAM_CODE: u32 = 7;
const COMPRESSION_ERROR: u32 = 9;
/// The name of the error of a stream that is one too many.
pub const REFUSED_STREAM: &str = "REFUSED_STREAM";

/// The position in the frames after the bytes sent so far.
#[derive(Default)]
pub struct Frames {
    is_begun: bool,
    partial: [u8; HEADER_BYTES + GOAWAY_CODE_END],
    partial_length: usize,
    skip: usize,
}

impl Frames {
    /// Calls `on_error` with the error's name for each rejected request. The bytes follow those of the last call.
    pub fn scan(&mut self, mut bytes: &[u8], on_error: &mut dyn FnMut(&'static str)) {
        if !std::mem::replace(&mut self.is_begun, true) && bytes.first() != Some(&0) {
            self.skip = usize::MAX;
        }
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
        REFUSED_STREAM_CODE => Some(REFUSED_STREAM),
        COMPRESSION_ERROR => Some("COMPRESSION_ERROR"),
        _ => None,
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
            frame(RST_STREAM, &[0, 0, 0, 7]),
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
            assert_eq!(seen, ["PROTOCOL_ERROR", REFUSED_STREAM, "COMPRESSION_ERROR"], "{cut}");
        }
    }

    #[test]
    fn responses_of_http1_have_no_frames() {
        let (mut frames, mut seen) = (Frames::default(), 0);
        for part in [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &frame(RST_STREAM, &[0, 0, 0, 1])] {
            frames.scan(part, &mut |_| seen += 1);
        }
        assert_eq!(seen, 0);
    }
}
