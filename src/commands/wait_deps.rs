//! `wait-deps`: waits until the dependencies work, then exits (for an init container).

use crate::cli::Format;
use crate::config::Config;
use crate::deps::{self, DepsTargets};
use crate::outcome::{DONE, Flow};
use crate::supervise::signals::Shutdown;
use crate::telemetry;

/// # Errors
/// The dependencies that were missing at the deadline.
pub async fn wait_deps(config: Config, format: Format, shutdown: &Shutdown) -> Flow<u8> {
    let targets = DepsTargets::of(&config)?;
    let (report, result) = deps::wait(&targets, config.wait_timeout, shutdown, |_| ()).await;
    telemetry::print(&match format {
        Format::Text => report.text(),
        Format::Json => format!("{}\n", report.json()),
    });
    result.map(|_| DONE)
}
