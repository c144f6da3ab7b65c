//! Creates a PostgreSQL cluster: `initdb` as a supervised child.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::Signal;
use secrecy::{ExposeSecret, SecretString};

use super::data::DataFolder;
use super::postgres::SUPERUSER;
use crate::frappe::environment::ChildEnvironment;
use crate::outcome::{Fault, Flow, Stopped};
use crate::supervise::output::OutputLine;
use crate::supervise::process::Processes;
use crate::supervise::signals::Shutdown;
use crate::supervise::spawn::{Output, Spec};
use crate::sys::exit::Exit;

/// Creates a cluster in `folder`.
///
/// # Errors
/// 75 if initdb was killed or the disk is full, 78 if it fails for another reason; a requested stop.
pub async fn run(
    data: &DataFolder,
    binaries: &Path,
    folder: &Path,
    password: &SecretString,
    processes: &Processes,
    shutdown: &Shutdown,
) -> Flow<()> {
    let file = |error: &std::io::Error| Fault::file("cannot write the password for initdb", error);
    let mut password_file = tempfile::NamedTempFile::new_in(&data.path).map_err(|e| file(&e))?;
    std::io::Write::write_all(&mut password_file, password.expose_secret().as_bytes())
        .map_err(|e| file(&e))?;
    data.chown(password_file.path()).map_err(|e| file(&e))?;
    let mut spec = Spec::new("initdb", binaries.join("initdb"));
    let options = ["--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", "--no-instructions"];
    spec.args = options.iter().map(Into::into).collect();
    spec.args.extend(["-U".into(), SUPERUSER.into(), "-D".into(), folder.into()]);
    spec.args.extend(["--pwfile".into(), password_file.path().into()]);
    spec.env = ChildEnvironment::inherited().into_map();
    spec.cwd = Some(data.path.clone());
    spec.identity.clone_from(&data.identity);
    // Otherwise it would write on in a folder that the next start deletes. Its own children end with their standard input.
    spec.parent_death_signal = Some(Signal::SIGKILL);
    let reason = Arc::new(Mutex::new(None));
    let first = reason.clone();
    spec.output = Output::Lines(Arc::new(move |line: OutputLine<'_>| {
        let text = String::from_utf8_lossy(line.text);
        if is_error(&text)
            && let Ok(mut first) = first.lock()
        {
            first.get_or_insert_with(|| text.to_string());
        }
        tracing::debug!(event = "embedded.initdb_output", step = "initdb", "{text}");
    }));
    tracing::info!(event = "embedded.initdb_started", folder = %data.path.display(), "creating a PostgreSQL cluster");
    let child = processes.spawn(&spec).map_err(|error| error.fault())?;
    let exit = tokio::select! {
        exit = child.exited() => exit,
        signal = shutdown.stop_requested() => {
            child.stop(Signal::SIGTERM, Duration::from_secs(5), shutdown.forced()).await;
            return Err(Stopped::Signal(signal));
        }
    };
    if exit.success() {
        return Ok(());
    }
    // The last lines may still be in the pipe.
    child.drained(Duration::from_secs(1)).await;
    let reason = reason.lock().ok().and_then(|mut reason| reason.take());
    Err(failure(exit, reason.as_deref(), folder).into())
}

/// True for a line of initdb, or of a postgres that it runs, that says why it fails.
fn is_error(line: &str) -> bool {
    ["initdb: error:", "FATAL:", "PANIC:", "child process was terminated by signal"]
        .iter()
        .any(|sign| line.contains(sign))
}

fn failure(exit: Exit, reason: Option<&str>, folder: &Path) -> Fault {
    let said = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let cause = format!("initdb {exit} in {}{said}", folder.display());
    let is_killed = matches!(exit, Exit::Signaled(_));
    match reason.unwrap_or_default() {
        reason if reason.contains("No space left on device") => {
            Fault::try_again(cause, "free some space on that file system")
        }
        reason if is_killed || reason.contains("terminated by signal") => Fault::try_again(
            cause,
            "give the container more memory, if the kernel killed it for lack of memory",
        ),
        _ => Fault::configuration(
            cause,
            "correct what the message says; CAULDRON_LOG_LEVEL=debug logs the whole output of initdb",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{CONFIGURATION, TRY_AGAIN};

    #[test]
    fn only_a_failure_that_the_next_start_meets_again_is_for_good() {
        let code = |exit, reason: Option<&str>| {
            assert!(reason.is_none_or(is_error));
            failure(exit, reason, Path::new("/data")).code
        };
        assert_eq!(code(Exit::Signaled(9), None), TRY_AGAIN);
        assert_eq!(
            code(Exit::Exited(1), Some("child process was terminated by signal 9: Killed")),
            TRY_AGAIN
        );
        let full = "FATAL:  could not write to file \"base/1/2703\": No space left on device";
        assert_eq!(code(Exit::Exited(1), Some(full)), TRY_AGAIN);
        let locale = "initdb: error: invalid locale name \"C.UTF-8\"";
        assert_eq!(code(Exit::Exited(1), Some(locale)), CONFIGURATION);
        assert_eq!(code(Exit::Exited(1), None), CONFIGURATION);
    }
}
