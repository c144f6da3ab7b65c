//! gunicorn's settings, under the names of the official images.

use std::time::Duration;

use super::duration;
use super::reader::Reader;
use super::value::{DURATION_HINT, read_parsed};

#[derive(Clone, Debug)]
pub struct Gunicorn {
    pub workers: Option<u16>,
    pub threads: Option<u16>,
    /// `duration::NO_LIMIT` if gunicorn does not end silent workers.
    pub timeout: Duration,
}

pub fn read(reader: &mut Reader<'_>) -> Option<Gunicorn> {
    let count = |text: &str| match text.parse::<u16>() {
        Ok(n) if (1..=512).contains(&n) => Ok(n),
        _ => Err(format!("`{text}` is not a number from 1 to 512")),
    };
    let timeout = reader.given_or("GUNICORN_TIMEOUT", None, Some("120s"));
    Some(Gunicorn {
        workers: read_parsed(reader, "GUNICORN_WORKERS", count, "write a number, or unset it"),
        threads: read_parsed(reader, "GUNICORN_THREADS", count, "write a number, or unset it"),
        timeout: reader.parsed("GUNICORN_TIMEOUT", timeout, duration::parse_limit_s, DURATION_HINT)?,
    })
}
