//! `doctor`: examines settings, servers, volume, apps and site, and reports each finding. Changes nothing.

use crate::cli::Format;
use crate::doctor::{Request, examine};
use crate::outcome::Flow;
use crate::supervise::signals::Shutdown;
use crate::telemetry;

/// Prints the report on stdout. The exit code is that of the worst error.
///
/// # Errors
/// A signal, which ends the examination at once.
pub async fn doctor(request: &Request<'_>, shutdown: &Shutdown) -> Flow<u8> {
    let report = examine(request, shutdown).await?;
    telemetry::print(&match request.format {
        Format::Text => report.text(),
        Format::Json => format!("{}\n", report.json()),
    });
    Ok(report.exit_code())
}
