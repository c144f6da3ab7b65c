//! One connection of the fuzzer: what is sent, in which pieces, how it ends, and what gunicorn may receive of it. It
//! depends only on the seed and the case's number.

use std::net::Ipv4Addr;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::rfc9112::Accepted;
use crate::{http1, http2, rfc9112};

#[derive(Debug)]
pub struct Case {
    pub bytes: Vec<u8>,
    /// Where `bytes` are divided into separate writes, in ascending order.
    pub cuts: Vec<usize>,
    pub end: End,
    pub expected: Expected,
}

/// What the client does after its last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Reads the answers, then closes.
    Read,
    /// Closes its direction, then reads.
    HalfClose,
    Close,
    /// Closes with a reset.
    Reset,
}

/// What gunicorn may receive.
#[derive(Debug)]
pub enum Expected {
    /// These requests, in this order; some may be missing.
    InOrder(Vec<Accepted>),
    /// These requests, each at most once.
    AnyOrder(Vec<Accepted>),
    /// At most this many requests.
    AtMost(usize),
}

impl Case {
    pub fn new(seed: u64, number: u32) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ (u64::from(number) << 32 | u64::from(number)));
        let is_http2 = rng.random_bool(0.4);
        let (mut bytes, allowed) =
            if is_http2 { http2::connection(&mut rng) } else { (http1::connection(&mut rng), None) };
        let end = match rng.random_range(0..20) {
            0..14 => End::Read,
            14..16 => End::HalfClose,
            16..18 => End::Close,
            _ => End::Reset,
        };
        if rng.random_bool(0.1) {
            bytes.truncate(rng.random_range(0..=bytes.len()));
        }
        let expected = match allowed {
            Some(allowed) => Expected::AnyOrder(allowed),
            None if is_http2 => Expected::AtMost(bytes.len() / http2::MIN_REQUEST_BYTES),
            None => Expected::InOrder(rfc9112::requests(&bytes)),
        };
        let cuts = cuts(&mut rng, bytes.len());
        Self { bytes, cuts, end, expected }
    }

    /// The requests that a model accepts; 0 if there is no model.
    pub fn accepted(&self) -> usize {
        match &self.expected {
            Expected::InOrder(requests) | Expected::AnyOrder(requests) => requests.len(),
            Expected::AtMost(_) => 0,
        }
    }
}

/// Mostly none; sometimes a few, and sometimes every byte of the beginning.
fn cuts(rng: &mut StdRng, length: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = match rng.random_range(0..10) {
        0..5 => Vec::new(),
        5..9 => (0..rng.random_range(1..6)).map(|_| rng.random_range(0..=length)).collect(),
        _ => (0..length.min(300)).collect(),
    };
    cuts.sort_unstable();
    cuts
}

/// The loopback address from which a case is sent, by which gunicorn's requests are attributed to it.
pub fn address(number: u32) -> Ipv4Addr {
    let [high, middle, low] = [number >> 16, number >> 8, number].map(|part| part as u8);
    Ipv4Addr::new(127, high + 1, middle, low)
}

/// The case that [`address`] belongs to.
pub fn number(address: Ipv4Addr) -> Option<u32> {
    let [net, high, middle, low] = address.octets();
    let number = u32::from_be_bytes([0, high.checked_sub(1)?, middle, low]);
    (net == 127).then_some(number)
}
