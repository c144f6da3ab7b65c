//! Header blocks of HTTP/2 (RFC 7541), as literals in all their representations, valid or not.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// A field without Huffman coding: incrementally indexed, not indexed, or never indexed.
pub fn literal(rng: &mut StdRng, name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![*[0x40, 0x00, 0x10].choose(rng).expect("a representation")];
    for text in [name, value] {
        bytes.extend(integer(7, 0, text.len()));
        bytes.extend(text);
    }
    bytes
}

/// An integer with a prefix of `bits` (RFC 7541, 5.1).
pub fn integer(bits: u8, flags: u8, value: usize) -> Vec<u8> {
    let most = (1 << bits) - 1;
    if value < most {
        return vec![flags | value as u8];
    }
    let (mut bytes, mut rest) = (vec![flags | most as u8], value - most);
    while rest >= 0x80 {
        bytes.push((rest % 0x80) as u8 | 0x80);
        rest /= 0x80;
    }
    bytes.push(rest as u8);
    bytes
}

/// One large entry, then as many references to it as fit: a few kilobytes that become megabytes.
pub fn bomb(rng: &mut StdRng, references: usize) -> Vec<u8> {
    let mut bytes = vec![0x40];
    bytes.extend(integer(7, 0, 1));
    bytes.push(b'x');
    let value = vec![b'y'; rng.random_range(1000..4000)];
    bytes.extend(integer(7, 0, value.len()));
    bytes.extend(value);
    // The newest entry of the dynamic table has the index 62.
    bytes.extend(std::iter::repeat_n(0x80 | 62, references));
    bytes
}

/// What no encoder writes: an index of 0 or beyond the table, an endless integer, a length beyond the block, a table
/// size above the limit, invalid Huffman code.
pub fn invalid(rng: &mut StdRng) -> Vec<u8> {
    let choices: [&[u8]; 7] = [
        &[0x80],
        &[0xff, 0xff, 0xff, 0x7f],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x40, 0x7f, 0xff, 0x01, b'a'],
        &[0x3f, 0xff, 0xff, 0xff, 0x0f],
        &[0x40, 0x81, 0xff, 0x84, 0xff, 0xff, 0xff, 0xff],
        &[0x40, 0x85],
    ];
    choices.choose(rng).expect("a block").to_vec()
}
