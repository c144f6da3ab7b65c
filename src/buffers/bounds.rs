//! Limits of buffered bodies.

use std::time::Duration;

/// Request bodies and responses that are buffered in memory, of all clients together; the rest goes to files.
pub const MAX_BUFFERED_IN_MEMORY_BYTES: u64 = 64 << 20;

/// A larger request body may not use the last part of the runtime folder (config/runtime_size.rs).
pub const SMALL_BODY_BYTES: u64 = 1 << 20;

/// If the runtime folder is in memory, we use at most this percentage of the container's memory limit.
pub const MEMORY_PERCENT: u64 = 25;

/// How long an upload waits for room in the runtime folder.
pub const ROOM_TIMEOUT: Duration = Duration::from_secs(10);

/// Uploads that wait for room at once.
pub const MAX_WAITING_UPLOADS: usize = 256;
