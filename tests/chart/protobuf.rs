//! Helm 4 sends its records of a release as Kubernetes' protobuf: as much of it as a Secret has, as JSON.

use base64::Engine;
use serde_json::{Map, Value, json};

/// What stands before a message of Kubernetes'.
const MAGIC: &[u8] = b"k8s\0";

/// The fields of a message that have a length: strings, bytes and messages.
struct Message<'a>(&'a [u8]);

impl<'a> Iterator for Message<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let key = self.number()?;
            let value = self.number()?;
            if key & 7 != 2 {
                continue;
            }
            let (field, rest) = self.0.split_at_checked(usize::try_from(value).ok()?)?;
            self.0 = rest;
            return Some((key >> 3, field));
        }
    }
}

impl Message<'_> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

fn text(bytes: &[u8]) -> Value {
    String::from_utf8_lossy(bytes).into()
}

/// An entry of a map: key and value.
fn entry(bytes: &[u8], value_of: impl Fn(&[u8]) -> Value) -> (String, Value) {
    let mut pair = (String::new(), json!(""));
    for (number, field) in Message(bytes) {
        match number {
            1 => pair.0 = String::from_utf8_lossy(field).into_owned(),
            _ => pair.1 = value_of(field),
        }
    }
    pair
}

/// A Secret; `None` for what is not of this form.
pub fn secret(body: &[u8]) -> Option<Value> {
    let unknown = body.strip_prefix(MAGIC)?;
    let (_, raw) = Message(unknown).find(|(number, _)| *number == 2)?;
    let (mut metadata, mut labels, mut data) = (Map::new(), Map::new(), Map::new());
    let mut object = json!({"apiVersion": "v1", "kind": "Secret"});
    for (number, field) in Message(raw) {
        match number {
            1 => {
                for (number, field) in Message(field) {
                    match number {
                        1 => drop(metadata.insert("name".to_owned(), text(field))),
                        11 => labels.extend([entry(field, text)]),
                        _ => {}
                    }
                }
            }
            2 => data.extend([entry(field, |bytes| {
                base64::engine::general_purpose::STANDARD.encode(bytes).into()
            })]),
            3 => object["type"] = text(field),
            _ => {}
        }
    }
    metadata.insert("labels".to_owned(), labels.into());
    object["metadata"] = metadata.into();
    object["data"] = data.into();
    Some(object)
}
