//! What one client may take of the web port, and all of them together: every limit by its name and unit.

/// How often a request is sent to gunicorn in all, where it is certain that no worker has read it.
pub const MOST_SENDS: u32 = 5;
/// How often a request is sent that a worker may have begun: a worker that ends at it may have ended because
/// of it, and each one takes the requests of its other threads with it.
pub const MOST_BEGUN: u32 = 2;
