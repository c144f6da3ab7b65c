//! Reads the fields of a JSON object, in pieces of any size. Only the members of the outermost object are fields.
//!
//! What Python reads and serde does not (NaN, lone surrogates) must not hide a login, so this is a scanner of tokens
//! and not a parser.

use super::examiner::Scanner;
use super::fields::{Fields, MAX_FIELD_BYTES};

#[derive(Debug, Default)]
pub struct Json {
    depth: u32,
    /// The string in progress, as it is written.
    string: Option<Vec<u8>>,
    is_escaped: bool,
    /// The last string.
    last: Option<Vec<u8>>,
    /// The name of the member whose value follows.
    name: Option<Vec<u8>>,
}

impl Scanner for Json {
    fn feed(&mut self, bytes: &[u8], fields: &mut Fields) {
        for byte in bytes {
            match &mut self.string {
                Some(_) if *byte == b'"' && !self.is_escaped => self.end_string(fields),
                Some(string) => {
                    self.is_escaped = *byte == b'\\' && !self.is_escaped;
                    if string.len() < MAX_FIELD_BYTES {
                        string.push(*byte);
                    }
                }
                None => self.token(*byte, fields),
            }
        }
    }
}

impl Json {
    fn token(&mut self, byte: u8, fields: &mut Fields) {
        match byte {
            b'"' => self.string = Some(Vec::new()),
            b':' if self.depth == 1 => self.name = self.last.take(),
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b' ' | b'\t' | b'\r' | b'\n' | b':' | b',' => {}
            _ => {
                // A value that is not a text.
                if let Some(name) = self.name.take() {
                    fields.take(&name, None);
                }
                self.depth += u32::from(matches!(byte, b'{' | b'['));
            }
        }
    }

    fn end_string(&mut self, fields: &mut Fields) {
        let string = unescaped(&self.string.take().unwrap_or_default());
        match self.name.take() {
            Some(name) => fields.take(&name, string.as_deref()),
            None => self.last = string,
        }
    }
}

/// None if it is too long, or not a text for us.
fn unescaped(string: &[u8]) -> Option<Vec<u8>> {
    let quoted = [b"\"", string, b"\""].concat();
    let text = serde_json::from_slice::<String>(&quoted).ok();
    text.filter(|_| string.len() < MAX_FIELD_BYTES).map(String::into_bytes)
}
