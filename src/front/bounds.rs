//! Limits of the web port, for one client and for all clients together.

use std::time::Duration;

/// Time from the accept of a connection, or from the previous request, to a complete request head. Longer than the
/// 60 s for which load balancers keep idle connections, so that they close them, not we.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// Maximum size of a request head. nginx allows 32 KB in four buffers; cookies of many sites on one domain add up.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Time in which a connection may end by itself after its last request, once it is being closed.
pub const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// Time within which a client must transfer enough bytes (nginx: `send_timeout`, `client_body_timeout`). Only the
/// time spent waiting for the client counts.
pub const CLIENT_TIMEOUT: Duration = Duration::from_secs(60);
/// The same timeout during a stop, at the same rate: a client that sends or reads next to nothing must not delay it.
pub const CLIENT_TIMEOUT_AT_STOP: Duration = Duration::from_secs(5);
/// A body that has been below [`MIN_REQUEST_BYTES`] in [`CLIENT_TIMEOUT`] for this long gives way to an upload without
/// room (buffers/slow_bodies.rs).
pub const SLOW_AFTER: Duration = Duration::from_secs(5);
/// Interval at which the progress of a slow reader is checked.
pub const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// Bytes of a response that a client must read within [`CLIENT_TIMEOUT`].
pub const MIN_RESPONSE_BYTES: u64 = 1024;
/// Bytes of a request body that a client must send within it.
pub const MIN_REQUEST_BYTES: u64 = 16 * 1024;

/// A longer request body goes to a file. Enough for forms, API calls and photos: a file costs two copies and several
/// threads more.
pub const MAX_REQUEST_IN_MEMORY_BYTES: usize = 512 * 1024;
/// A response that is further ahead of its client goes to a file.
pub const MAX_RESPONSE_IN_MEMORY_BYTES: usize = 256 * 1024;
/// Bytes that hyper reads of a gunicorn response at once.
pub const UPSTREAM_BUFFER_BYTES: usize = 128 * 1024;

/// An HTTP/2 client extends a stream's window when it has read half of it. It has the time to read that at this
/// rate, up to [`MAX_CONSUME_TIME`].
pub const MIN_CONSUME_BYTES_PER_S: u64 = 16 * 1024;
pub const MAX_CONSUME_TIME: Duration = Duration::from_secs(600);

/// Streams of one HTTP/2 connection (nginx: 128; RFC 9113: at least 100).
pub const MAX_STREAMS: u32 = 100;
/// Streams of all connections that wait for a slot (slots.rs). A waiting stream takes about 10 kB.
pub const MAX_WAITING_STREAMS: i64 = 4096;
/// Bytes read of a file at once for an HTTP/2 stream, and bytes of a body that hyper buffers ahead of the network.
pub const STREAM_CHUNK_BYTES: usize = 16 * 1024;
/// Bytes of a connection that the kernel may hold before it sends them.
pub const MAX_UNSENT_BYTES: u32 = 128 * 1024;
/// Response bytes that an HTTP/2 connection may always hold in memory until the client reads them.
pub const CONNECTION_OUTFLOW_BYTES: u64 = 128 * 1024;
/// Response bytes that all HTTP/2 connections together may hold beyond that.
pub const SHARED_OUTFLOW_BYTES: u64 = 32 << 20;

/// Requests that are on their way to gunicorn at once, over any protocol: from the end of the body to the head of the
/// response. A few threads of gunicorn work on some of them; the others wait in its socket's queue.
pub const MAX_AT_GUNICORN: usize = 1024;
/// Further requests that wait for their turn, also while gunicorn is away.
pub const MAX_WAITING_FOR_GUNICORN: i64 = 4096;
/// How long a request is held while gunicorn is away. With Frappe it restarts within 2 s, after a crash after at most 8 s.
pub const HOLD_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum number of times that a request is sent to gunicorn, if certainly no worker has read it.
pub const MAX_SENDS: u32 = 5;
/// Maximum number of times that a request is sent if a worker may have started it: the request may have crashed the
/// worker, and each crash also loses the requests of the worker's other threads.
pub const MAX_STARTS: u32 = 2;
