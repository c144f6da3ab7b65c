//! The restored site, served by Frappe's own web server on a socket: the login page, a login, and a page of the user.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::checks::is_from_outside;
use super::http::{request, send};
use super::report::Check;
use crate::outcome::{Flow, Stopped};
use crate::pod::Pod;
use crate::scratch::{Scratch, ScratchBench, interrupted};
use crate::supervise::output::OutputLine;
use crate::supervise::process::Child;
use crate::supervise::spawn::{Output, Spec};

const NAME: &str = "gunicorn";
/// gunicorn's message about a worker that was killed: since 21, and before.
const WORKER_KILLED: [&str; 2] = [") was sent SIGKILL!", "was terminated due to signal 9"];
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Serves the site, and asks as a browser would.
///
/// # Errors
/// gunicorn cannot be started; a stop signal.
pub async fn check(
    pod: &Pod,
    scratch: &Scratch,
    bench: &ScratchBench,
    site: &str,
    password: &str,
    limit: Duration,
) -> Flow<Vec<Check>> {
    let socket = scratch.folder.path().join("web.sock");
    let bind = format!("unix:{}", socket.display());
    let arguments =
        ["--bind", &bind, "--workers", "1", "--threads", "2", "--timeout", "120", "frappe.app:application"];
    let last = Arc::new(Mutex::new(String::new()));
    let worker_killed = Arc::new(AtomicBool::new(false));
    let (kept, killed, status) = (last.clone(), worker_killed.clone(), pod.status.clone());
    let handler = move |line: OutputLine<'_>| {
        status.progress();
        let text = String::from_utf8_lossy(line.text).into_owned();
        tracing::debug!(event = "verify.output", text, "output of Frappe in scratch");
        if WORKER_KILLED.iter().any(|words| text.contains(words)) {
            killed.store(true, Ordering::Relaxed);
        }
        *kept.lock().unwrap_or_else(PoisonError::into_inner) = text;
    };
    let spec = bench.spec(NAME, &bench.gunicorn(), arguments.map(Into::into).to_vec());
    let child = pod
        .processes
        .spawn(&Spec { output: Output::Lines(Arc::new(handler)), ..spec })
        .map_err(|error| error.fault())?;
    let browser = Browser { socket, site: site.into(), limit };
    let checks = tokio::select! {
        checks = browser.visit(&child, password) => checks,
        exit = child.exited() => {
            if is_from_outside(exit) {
                return Err(interrupted(&format!("gunicorn {exit} in scratch")).into());
            }
            let last = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
            vec![Check::failed("serve", format!("gunicorn {exit}: {last}"))]
        }
        signal = pod.shutdown.stop_requested() => {
            child.stop(Signal::SIGKILL, Duration::ZERO, std::future::pending()).await;
            return Err(Stopped::Signal(signal));
        }
    };
    child.stop(Signal::SIGKILL, Duration::from_secs(1), std::future::pending()).await;
    if worker_killed.load(Ordering::Relaxed) && !checks.iter().all(|check| check.ok) {
        return Err(interrupted("a worker of gunicorn was ended by SIGKILL in scratch").into());
    }
    Ok(checks)
}

struct Browser {
    socket: std::path::PathBuf,
    site: String,
    limit: Duration,
}

impl Browser {
    async fn visit(&self, _server: &Child, password: &str) -> Vec<Check> {
        let mut checks = vec![self.login_page().await];
        if !checks[0].ok {
            return checks;
        }
        let form = format!("usr=Administrator&pwd={password}");
        let login = self.send("POST", "/api/method/login", None, &form).await;
        let sid = match &login {
            Ok(answer) if answer.status == 200 => answer.sid.clone(),
            _ => None,
        };
        let Some(sid) = sid else {
            checks.push(Check::failed("login", problem(&login.map(|answer| answer.status))));
            return checks;
        };
        checks.push(Check::passed("login", "Administrator logged in"));
        let page = self.send("GET", "/api/method/frappe.auth.get_logged_user", Some(&sid), "").await;
        checks.push(match &page {
            Ok(answer) if answer.status == 200 && answer.body.contains("Administrator") => {
                Check::passed("page", "a page for the logged-in user")
            }
            _ => Check::failed("page", problem(&page.map(|answer| answer.status))),
        });
        checks
    }

    /// The login page, as soon as the server answers.
    async fn login_page(&self) -> Check {
        let begin = Instant::now();
        loop {
            let answered = self.send("GET", "/login", None, "").await.map(|answer| answer.status);
            match answered {
                Ok(200) => return Check::passed("serve", "the login page"),
                Err(_) if begin.elapsed() < self.limit => tokio::time::sleep(POLL_INTERVAL).await,
                other => return Check::failed("serve", format!("/login: {}", problem(&other))),
            }
        }
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        sid: Option<&str>,
        form: &str,
    ) -> Result<super::http::Answer, String> {
        send(&self.socket, &request(method, path, &self.site, sid, form), self.limit).await
    }
}

fn problem(answered: &Result<u16, String>) -> String {
    match answered {
        Ok(status) => format!("answered {status}"),
        Err(reason) => reason.clone(),
    }
}
