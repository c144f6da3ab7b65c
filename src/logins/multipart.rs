//! Finds a login command in a multipart body, in pieces of any size.
//!
//! The name of a part can be written in many ways (RFC 2231, RFC 5987, quoting, folding), so names are not read: any part
//! whose whole value is a login command makes the request a login, and its user counts as unreadable.

use super::examiner::Scanner;
use super::fields::{Fields, User, is_login};

/// Longer lines are no command.
const MAX_LINE_BYTES: usize = 256;

#[derive(Debug, Default)]
pub struct Multipart {
    line: Vec<u8>,
    is_after_return: bool,
    is_after_blank: bool,
    /// True if the last line is a command, and was the first line of a value.
    is_command: bool,
}

impl Scanner for Multipart {
    fn feed(&mut self, bytes: &[u8], fields: &mut Fields) {
        for byte in bytes {
            let is_second_half = *byte == b'\n' && self.is_after_return;
            self.is_after_return = *byte == b'\r';
            match byte {
                b'\n' if is_second_half => {}
                b'\r' | b'\n' => self.end_line(fields),
                byte if self.line.len() < MAX_LINE_BYTES => self.line.push(*byte),
                _ => {}
            }
        }
    }

    fn finish(&mut self, fields: &mut Fields) {
        self.end_line(fields);
    }
}

impl Multipart {
    fn end_line(&mut self, fields: &mut Fields) {
        if self.is_command && self.line.starts_with(b"--") {
            fields.is_login = true;
            fields.user = User::Unreadable;
        }
        let is_whole = self.line.len() < MAX_LINE_BYTES;
        self.is_command = self.is_after_blank && is_whole && is_login(&self.line);
        self.is_after_blank = self.line.is_empty();
        self.line.clear();
    }
}
