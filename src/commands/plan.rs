//! `plan`: shows which row of the bootstrap's table applies, how this code relates to the database, and what
//! `bootstrap` would do. Changes nothing.

use crate::cli::Format;
use crate::doctor::Request;
use crate::doctor::plan::inspect;
use crate::outcome::{DONE, Flow, UNAVAILABLE};
use crate::supervise::signals::Shutdown;
use crate::telemetry;

/// Prints the plan on stdout. The exit code is the one with which `bootstrap` would refuse.
///
/// # Errors
/// A signal, which ends the inspection at once.
pub async fn plan(request: &Request<'_>, shutdown: &Shutdown) -> Flow<u8> {
    match inspect(request, shutdown).await? {
        Ok(plan) => {
            telemetry::print(&match request.format {
                Format::Text => plan.text(),
                Format::Json => format!("{}\n", plan.json()),
            });
            Ok(plan.exit_code())
        }
        Err(report) => {
            for finding in report.errors() {
                let (subject, detail, hint) = (&finding.subject, &finding.detail, &finding.hint);
                telemetry::print_error(&format!("error: {subject}: {detail}; {hint}"));
            }
            // Without an error the site could not be inspected because a check was skipped.
            Ok(if report.exit_code() == DONE { UNAVAILABLE } else { report.exit_code() })
        }
    }
}
