//! Reads the fields of a query or of a form body, in pieces of any size.

use percent_encoding::percent_decode;

use super::examiner::Scanner;
use super::fields::{Fields, MAX_FIELD_BYTES};

#[derive(Debug, Default)]
pub struct Form {
    /// The field in progress, up to [`MAX_FIELD_BYTES`].
    field: Vec<u8>,
}

impl Scanner for Form {
    fn feed(&mut self, bytes: &[u8], fields: &mut Fields) {
        for (index, part) in bytes.split(|byte| *byte == b'&').enumerate() {
            if index > 0 {
                self.finish(fields);
            }
            let room = MAX_FIELD_BYTES - self.field.len();
            self.field.extend_from_slice(&part[..part.len().min(room)]);
        }
    }

    fn finish(&mut self, fields: &mut Fields) {
        let at = self.field.iter().position(|byte| *byte == b'=').unwrap_or(self.field.len());
        let (name, value) = self.field.split_at(at);
        let is_whole = self.field.len() < MAX_FIELD_BYTES;
        let value = is_whole.then(|| decoded(value.get(1..).unwrap_or_default()));
        fields.take(&decoded(name), value.as_deref());
        self.field.clear();
    }
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let text: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&text).collect()
}
