//! `backup exec -- restic …`: replaces this process by the program, with the repository, its password and its credentials
//! in the environment.

use std::ffi::OsString;

use crate::outcome::Flow;
use crate::pod::Pod;
use crate::restic::Restic;
use crate::supervise::spawn::{Output, Spec, Stdin};
use crate::telemetry;

/// Returns only if the program cannot be started.
///
/// # Errors
/// 126 and 127 as a shell; 78 if the repository or its password is not configured.
pub async fn exec(pod: &Pod, command: Vec<OsString>) -> Flow<u8> {
    let restic = Restic::of(pod)?;
    // clap requires at least one word.
    let mut words = command.into_iter();
    let program = words.next().unwrap_or_else(|| "restic".into());
    let spec =
        Spec { program, stdin: Stdin::Inherit, output: Output::Inherit, ..restic.spec(words.collect()) };
    telemetry::flush();
    Err(spec.replace_us().fault().into())
}
