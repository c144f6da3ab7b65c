//! gunicorn's settings, under the names of the official images.

use std::time::Duration;

use super::reader::Reader;
use super::value::{read_count, read_duration};

#[derive(Clone, Debug)]
pub struct Gunicorn {
    pub workers: Option<u16>,
    pub threads: Option<u16>,
    /// `duration::NO_LIMIT` if gunicorn does not end silent workers.
    pub timeout: Duration,
}

pub fn read(reader: &mut Reader<'_>) -> Option<Gunicorn> {
    let mut count = |name| read_count(reader, name, None).and_then(|count| u16::try_from(count).ok());
    let (workers, threads) = (count("GUNICORN_WORKERS"), count("GUNICORN_THREADS"));
    Some(Gunicorn { workers, threads, timeout: read_duration(reader, "GUNICORN_TIMEOUT", Some("120s"))? })
}
