//! Asks a program for its version, with a bound. A program that hangs is killed, also if its caller stops waiting.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::process::{Child, Processes};
use super::spawn::{Output, Spec};

const DRAIN: Duration = Duration::from_secs(1);

struct Asked(Child);

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.signal_group(Signal::SIGKILL);
    }
}

/// The first line that `program --version` prints. `name` is for messages.
///
/// # Errors
/// The reason why there is none: it cannot be started, it fails, or it does not end within `limit`.
pub async fn program_version(
    processes: &Processes,
    name: &str,
    program: impl Into<OsString>,
    env: BTreeMap<OsString, OsString>,
    limit: Duration,
) -> Result<String, String> {
    let first_line = Arc::new(Mutex::new(None));
    let captured = first_line.clone();
    let spec = Spec {
        args: vec!["--version".into()],
        env,
        output: Output::Lines(Arc::new(move |line| {
            let text = String::from_utf8_lossy(line.text).trim().to_string();
            captured.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
        })),
        ..Spec::new(name, program)
    };
    let asked = Asked(processes.spawn(&spec).map_err(|error| error.to_string())?);
    let ended = async {
        let exit = asked.0.exited().await;
        asked.0.drained(DRAIN).await;
        exit
    };
    let exit = tokio::time::timeout(limit, ended).await.map_err(|_| "it does not end")?;
    let line = first_line.lock().unwrap_or_else(PoisonError::into_inner).clone();
    line.filter(|_| exit.success()).ok_or_else(|| format!("it {exit}"))
}
