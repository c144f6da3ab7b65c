//! Random changes of a sequence of bytes, with the words that matter in HTTP.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

const WORDS: [&[u8]; 34] = [
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"\r\r\n",
    b" ",
    b"\t",
    b"\0",
    b"\x0b",
    b"\x0c",
    b"\x7f",
    b"\x85",
    b"\xa0",
    b"\xff",
    b":",
    b",",
    b";",
    b"0",
    b"+",
    b"-",
    b"0\r\n\r\n",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/0.9",
    b"HTTP/2.0",
    b"\r\nContent-Length: 0\r\n",
    b"\r\nContent-Length: 4\r\n",
    b"\r\nTransfer-Encoding: chunked\r\n",
    b"\r\nTransfer-Encoding:\x0bchunked\r\n",
    b"\r\nTransfer-Encoding : chunked\r\n",
    b"\r\n folded",
    b"\r\nX-Forwarded-For: 6.6.6.6\r\n",
    b"GET /hidden HTTP/1.1\r\nHost: web.local\r\n\r\n",
    b"ffffffffffffffff0",
];

/// Changes one place.
pub fn mutate(rng: &mut StdRng, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let at = place(rng, bytes);
    match rng.random_range(0..9) {
        0 => bytes[at] ^= 1 << rng.random_range(0..8),
        1 => bytes[at] = rng.random(),
        2 => {
            bytes.remove(at);
        }
        3..5 => insert(bytes, at, WORDS.choose(rng).expect("a word")),
        5 => {
            let word = WORDS.choose(rng).expect("a word");
            let end = (at + word.len()).min(bytes.len());
            bytes.splice(at..end, word.iter().copied());
        }
        6 => {
            let end = (at + rng.random_range(1..40)).min(bytes.len());
            bytes.drain(at..end);
        }
        7 => {
            let end = (at + rng.random_range(1..80)).min(bytes.len());
            let copied = bytes[at..end].to_vec();
            insert(bytes, place(rng, bytes), &copied);
        }
        _ => {
            // A digit decides about a length.
            if let Some(found) = bytes[at..].iter().position(u8::is_ascii_digit) {
                bytes[at + found] = b'0' + rng.random_range(0..10);
            }
        }
    }
}

/// A random place, more often near a line's end, where the structure is.
fn place(rng: &mut StdRng, bytes: &[u8]) -> usize {
    let at = rng.random_range(0..bytes.len());
    if rng.random_bool(0.5) {
        return at;
    }
    let end = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(at, |found| at + found);
    (end + rng.random_range(0..4)).saturating_sub(2).min(bytes.len() - 1)
}

fn insert(bytes: &mut Vec<u8>, at: usize, word: &[u8]) {
    bytes.splice(at..at, word.iter().copied());
}
