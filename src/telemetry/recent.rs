//! The last records that this process wrote, for `support-bundle`: its own events, and the lines of children whose
//! output it relays. A ring in memory; nothing is written to a disk.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// The ring holds no more bytes, however long its records are.
const MAX_BYTES: usize = 128 * 1024;

static RECENT: Mutex<Ring> = Mutex::new(Ring { records: VecDeque::new(), bytes: 0 });

/// Keeps a copy of one record.
pub fn keep(record: &[u8]) {
    RECENT.lock().unwrap_or_else(PoisonError::into_inner).keep(record);
}

/// Returns all kept records, oldest first.
pub fn records() -> Vec<u8> {
    let ring = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    ring.records.iter().flat_map(|record| record.iter().copied()).collect()
}

struct Ring {
    records: VecDeque<Box<[u8]>>,
    bytes: usize,
}

impl Ring {
    /// Drops the oldest records until the new one fits. A record that fits nowhere is not kept.
    fn keep(&mut self, record: &[u8]) {
        if record.len() > MAX_BYTES {
            return;
        }
        while self.bytes + record.len() > MAX_BYTES {
            let Some(oldest) = self.records.pop_front() else { break };
            self.bytes -= oldest.len();
        }
        self.bytes += record.len();
        self.records.push_back(record.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_records_stay_and_the_size_is_bounded() {
        let mut ring = Ring { records: VecDeque::new(), bytes: 0 };
        for n in 0..10_000 {
            ring.keep(format!("record {n} {}\n", "x".repeat(100)).as_bytes());
        }
        assert!(ring.bytes <= MAX_BYTES && ring.bytes > MAX_BYTES - 200);
        assert!(ring.records.back().unwrap().starts_with(b"record 9999 "));
        ring.keep(&vec![b'x'; MAX_BYTES + 1]);
        assert!(ring.records.back().unwrap().starts_with(b"record 9999 "));
    }
}
