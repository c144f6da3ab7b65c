//! What one client may take of the web port, and all of them together: every limit by its name and unit.

use std::time::Duration;

/// From the accept of a connection, and from one request to the next, to the whole head of a request: longer
/// than the 60 s for which load balancers keep idle connections, so that they close them and not we.
pub const HEAD: Duration = Duration::from_secs(75);
/// nginx's for large headers is 32 KB in four; cookies of many sites on one domain add up.
pub const MOST_HEAD_BYTES: usize = 64 * 1024;
/// An HTTP/2 connection that has ended its last request, or a stop has been announced to, is closed after it.
pub const GOODBYE: Duration = Duration::from_secs(5);

/// How long a client is waited for until it has moved enough bytes (nginx's `send_timeout` and
/// `client_body_timeout`). Only time in which it is its turn counts.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The same once a stop was asked for, when any byte is enough: a stop does not wait for who does nothing.
pub const PATIENCE_AT_STOP: Duration = Duration::from_secs(5);
/// How often a client that is waited for is looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);
/// What it has to take of an answer in that time, and to bring of a request's body.
pub const LEAST_TAKEN_BYTES: u64 = 1024;
pub const LEAST_BROUGHT_BYTES: u64 = 16 * 1024;

/// Bodies and answers that are kept in memory on their way, of all clients together; the rest goes to files.
pub const MOST_KEPT_IN_MEMORY_BYTES: u64 = 64 << 20;
/// A body that is larger may not take the last part of the runtime folder.
pub const SMALL_BODY_BYTES: u64 = 1 << 20;
/// Of the runtime folder's file system, in percent: what is left to others, but no more than half of what is free.
/// A node whose disk has less than 10 to 15 % free begins to evict pods.
pub const OTHERS_SHARE: u64 = 15;
/// Of the rest, in percent: answers, with the requests that are there, may fill a quarter of it,
/// large requests a half, and small ones three quarters.
pub const ANSWERS_SHARE: u64 = 25;
pub const LARGE_REQUESTS_SHARE: u64 = 50;
pub const REQUESTS_SHARE: u64 = 75;
/// Where that folder is memory, what is free in it is at most such a share of the container's limit.
pub const MEMORY_SHARE: u64 = 25;
/// What hyper reads of an answer of gunicorn's at once.
pub const UPSTREAM_BUFFER_BYTES: usize = 128 * 1024;

/// An HTTP/2 client gives a stream room again when it has read half of what it let come: it is given time to read
/// that at such a rate, up to the longest.
pub const SLOW_BYTES_PER_S: u64 = 16 * 1024;
pub const LONGEST_DIGESTION: Duration = Duration::from_secs(600);

/// Streams of one HTTP/2 connection (nginx: 128, RFC 9113: no fewer than 100).
pub const MOST_STREAMS: u32 = 100;
/// Those that wait for a slot (slots.rs), of all connections together; a stream that waits takes some 10 kB.
pub const MOST_WAITING_STREAMS: usize = 4096;
/// What is read of a file at once for an HTTP/2 stream, and what hyper takes of a body ahead of the network.
pub const STREAM_CHUNK_BYTES: usize = 16 * 1024;
/// Answers that an HTTP/2 connection may always hold in memory until the client takes them.
pub const CONNECTION_OUTFLOW_BYTES: u64 = 128 * 1024;
/// What all of them together may hold beyond it.
pub const SHARED_OUTFLOW_BYTES: u64 = 32 << 20;
/// HTTP/2 has no idle timeout of its own; a client that does not answer this has gone.
pub const PING_EVERY: Duration = Duration::from_secs(30);

/// How often a request is sent to gunicorn in all, where it is certain that no worker has read it.
pub const MOST_SENDS: u32 = 5;
/// How often a request is sent that a worker may have begun: a worker that ends at it may have ended because
/// of it, and each one takes the requests of its other threads with it.
pub const MOST_BEGUN: u32 = 2;
