//! Shows how far a backup is: a line on a terminal, and an event twice a minute.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use crate::backups::bytes::size;
use crate::status::handle::StatusHandle;
use crate::telemetry::live_line;

const SHOW_INTERVAL: Duration = Duration::from_secs(1);
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// The bytes that are done, and all of them, if that is known.
pub type Amount = (u64, Option<u64>);

/// Shows a part's progress until it is dropped.
pub async fn show(status: &StatusHandle, part: &str, read: impl Fn() -> Amount) -> Infallible {
    let _clear = ClearOnDrop;
    let (started, mut logged) = (Instant::now(), Instant::now());
    let mut before = 0;
    loop {
        tokio::time::sleep(SHOW_INTERVAL).await;
        let (bytes, total) = read();
        if bytes != before {
            before = bytes;
            status.progress();
        }
        let text = text(bytes, total, started.elapsed());
        live_line::show(&format!("backup of {part}  {text}"));
        if logged.elapsed() >= LOG_INTERVAL {
            logged = Instant::now();
            let elapsed_s = started.elapsed().as_secs();
            tracing::info!(
                event = "backup.progress",
                part,
                bytes,
                elapsed_s,
                progress = text,
                "taking the backup"
            );
        }
    }
}

/// `1.2 GB of 3.0 GB, 40 MB/s, 45 s left`.
fn text(bytes: u64, total: Option<u64>, elapsed: Duration) -> String {
    let rate = bytes as f64 / elapsed.as_secs_f64().max(0.001);
    let rate_text = format!("{}/s", size(rate as u64));
    match total.filter(|total| *total > bytes && rate >= 1.0) {
        Some(total) => {
            let left_s = ((total - bytes) as f64 / rate).ceil();
            format!("{} of {}, {rate_text}, {left_s:.0} s left", size(bytes), size(total))
        }
        None => format!("{}, {rate_text}", size(bytes)),
    }
}

struct ClearOnDrop;

impl Drop for ClearOnDrop {
    fn drop(&mut self) {
        live_line::clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_has_bytes_rate_and_what_is_left() {
        let seconds = Duration::from_secs;
        assert_eq!(text(1_200_000, Some(3_000_000), seconds(2)), "1.2 MB of 3.0 MB, 600 kB/s, 3 s left");
        assert_eq!(text(4_000_000, Some(3_000_000), seconds(2)), "4.0 MB, 2.0 MB/s");
        assert_eq!(text(0, Some(10), seconds(0)), "0 B, 0 B/s");
    }
}
