//! How the runtime folder is divided: the part that buffered requests and responses of the web port may use
//! (docs/web-port.md#memory-and-disk).
//!
//! ```text
//!   size of the folder           0 % ──────────────────────── 85 % ── 100 %
//!   kept free for others                                       ████████
//!   of the rest (the capacity)   0 % ──── 25 % ─── 50 % ─── 75 %
//!   responses                    ████████
//!   bodies over 1 MiB            █████████████████
//!   bodies up to 1 MiB           ██████████████████████████
//! ```

/// Percentage of the folder that is kept free for others. A node with less than 10 to 15 % free disk space begins to
/// evict pods, and a pod that uses more than its folder's `sizeLimit` is evicted.
pub const RESERVED_PERCENT: u64 = 15;
/// Percentage of the rest that may be in use after an addition of each kind: responses may fill it up to a quarter,
/// large requests up to a half, small requests up to three quarters.
pub const RESPONSES_PERCENT: u64 = 25;
pub const LARGE_REQUESTS_PERCENT: u64 = 50;
pub const SMALL_REQUESTS_PERCENT: u64 = 75;

/// What a folder of this size has for us if it is otherwise empty.
pub const fn capacity_bytes(size_bytes: u64) -> u64 {
    size_bytes - size_bytes / 100 * RESERVED_PERCENT
}

/// The share of a capacity.
pub const fn share_bytes(capacity_bytes: u64, percent: u64) -> u64 {
    capacity_bytes / 100 * percent
}

/// The largest request body that fits into a folder of this size.
pub const fn largest_body_bytes(size_bytes: u64) -> u64 {
    share_bytes(capacity_bytes(size_bytes), LARGE_REQUESTS_PERCENT)
}

/// The size of a folder into which this body fits, in whole MiB.
pub const fn size_for_body_mib(body_bytes: u64) -> u64 {
    let percent = (100 - RESERVED_PERCENT) * LARGE_REQUESTS_PERCENT;
    // Divisions above round down by at most a hundred bytes each.
    (body_bytes.saturating_add(1 << 10).saturating_mul(10_000) / percent).div_ceil(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_suggested_size_takes_the_body_and_is_not_much_larger() {
        for body_mib in [1, 25, 50, 64, 100, 1_000, 10_000] {
            let size_mib = size_for_body_mib(body_mib * MIB);
            assert!(largest_body_bytes(size_mib * MIB) >= body_mib * MIB, "{body_mib}");
            assert!(largest_body_bytes((size_mib - 2) * MIB) < body_mib * MIB, "{body_mib}");
        }
        assert_eq!(size_for_body_mib(50 * MIB), 118);
    }
}
