//! A minimal HTTP/2 client that can violate the protocol: frames as bytes, headers without compression.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;
const INITIAL_WINDOW_SIZE: u16 = 4;
pub const MAX_WINDOW: u32 = 0x7fff_ffff;

/// The client's preface and settings, with the flow-control window of each stream and of the connection.
pub fn client_preface(window: u32) -> Vec<u8> {
    let mut settings = INITIAL_WINDOW_SIZE.to_be_bytes().to_vec();
    settings.extend(window.to_be_bytes());
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &settings));
    bytes.extend(frame(WINDOW_UPDATE, 0, 0, &(MAX_WINDOW - 65_535).to_be_bytes()));
    bytes
}

/// A request; a client's streams have odd numbers.
pub fn request(stream: u32, method: &str, host: &str, path: &str, has_body: bool) -> Vec<u8> {
    // `:method` and `:path` by their index, `:scheme: http`, `:authority` (RFC 7541, appendix A).
    let mut block = vec![0x86];
    for (name, value) in [(2, method), (4, path), (1, host)] {
        block.extend([name, u8::try_from(value.len()).expect("a short value")]);
        assert!(value.len() < 127, "{value}");
        block.extend(value.as_bytes());
    }
    let flags = if has_body { END_HEADERS } else { END_HEADERS | END_STREAM };
    frame(HEADERS, flags, stream, &block)
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A connection with `streams` open requests for the same path.
pub fn with_requests(port: u16, host: &str, path: &str, streams: u32, window: u32) -> TcpStream {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    let mut bytes = client_preface(window);
    for stream in 0..streams {
        bytes.extend(request(stream * 2 + 1, "GET", host, path, false));
    }
    socket.write_all(&bytes).expect("requests");
    socket
}

/// Reads all frames and answers settings and pings, but sends no window updates. Ends when a stream or the connection
/// ends; returns the received bodies.
pub fn read_without_window_updates(mut socket: TcpStream) -> Vec<u8> {
    let (mut head, mut bodies) = ([0; 9], Vec::new());
    while socket.read_exact(&mut head).is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        if socket.read_exact(&mut payload).is_err() {
            break;
        }
        let answer = match head[3] {
            SETTINGS if head[4] & ACK == 0 => frame(SETTINGS, ACK, 0, &[]),
            PING if head[4] & ACK == 0 => frame(PING, ACK, 0, &payload),
            DATA => {
                bodies.extend(payload);
                if head[4] & END_STREAM != 0 {
                    break;
                }
                continue;
            }
            _ => continue,
        };
        if socket.write_all(&answer).is_err() {
            break;
        }
    }
    bodies
}
