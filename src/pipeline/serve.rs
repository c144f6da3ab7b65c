//! The roles: bring the site up, serve it, stop cleanly.

use super::renewal;
use super::site::Site;
use crate::bootstrap::claim::Claim;
use crate::config::{Config, OnFailure};
use crate::front::{Front, Settings};
use crate::health::account::{Board, Phase};
use crate::health::server;
use crate::outcome::{DONE, Fault, Stopped, TRY_AGAIN};
use crate::role::web::{self, Web};
use crate::supervise::run_service::End;
use crate::supervise::signals::Shutdown;
use crate::telemetry;

/// Who comes while the front is busy waits there; the kernel's own bound is 4,096.
const FRONT_BACKLOG: u32 = 4096;

/// The web role.
///
/// # Errors
/// What kept it from serving. A role that was asked to stop has done its work: 0, whenever it was asked.
pub async fn web(config: Config, shutdown: &Shutdown) -> Result<u8, Stopped> {
    let board = Board::new("web", config.site.clone());
    tell_draining(&board, shutdown);
    let on_failure = config.on_failure;
    match serve(config, &board, shutdown).await {
        Ok(code) => Ok(code),
        Err(Stopped::Signal(_)) => Ok(DONE),
        Err(Stopped::Fault(fault)) if on_failure == OnFailure::Hold => hold(fault, &board, shutdown).await,
        Err(stopped) => Err(stopped),
    }
}

async fn serve(config: Config, board: &Board, shutdown: &Shutdown) -> Result<u8, Stopped> {
    // A port that somebody has is told before anything is touched.
    let listener = server::bind(config.web_addr, "CAULDRON_WEB_ADDR", FRONT_BACKLOG)?;
    let settings = Settings::of(&config);
    let site = Site::start(config, board, shutdown).await?;
    let front = Front::start(listener, settings, site.runtime_dir(), board.clone())?;
    let end = match site.bring_up(board, shutdown).await {
        Ok(bootstrapped) => {
            let Site { config, database, bench, name, processes, .. } = &site;
            if let Some(claim) = Claim::of(config, bench, name) {
                tokio::spawn(claim.keep(board.clone()));
            }
            let web = Web { config, database, bench, site: name, front: &front, bootstrapped: &bootstrapped };
            tokio::select! {
                end = web::serve(&web, processes, shutdown, board) => Ok(end),
                () = renewal::follow(&site, shutdown) => unreachable!("it follows until it is dropped"),
            }
        }
        Err(stopped) => Err(stopped),
    };
    site.stop(shutdown).await;
    match end? {
        End::Asked(..) => Ok(DONE),
        End::CrashLoop(exit) | End::Ended(exit) => {
            // The orchestrator sees the child's own code; 0 would read as done.
            let code = if exit.success() { TRY_AGAIN } else { exit.code() };
            let cause = format!("gunicorn {exit}, again and again");
            Err(Fault::new(code, cause, "its own reason is in the log above").into())
        }
        End::NotStarted(error) => Err(error.fault().into()),
    }
}

/// Readiness goes off with the request to stop, not with its end.
fn tell_draining(board: &Board, shutdown: &Shutdown) {
    let (board, shutdown) = (board.clone(), shutdown.clone());
    tokio::spawn(async move {
        shutdown.asked().await;
        board.enter(Phase::Draining, "");
    });
}

/// CAULDRON_ON_FAILURE=hold: up, unready and telling why, so that one can look around in here.
async fn hold(fault: Fault, board: &Board, shutdown: &Shutdown) -> Result<u8, Stopped> {
    tracing::error!(cause = fault.cause, mend = fault.mend, exit_code = fault.code, "failed; holding");
    board.update(|account| account.last_error = Some(fault.to_string()));
    telemetry::termination_log::write(&fault);
    board.enter(Phase::Held, "");
    shutdown.asked().await;
    Ok(fault.code)
}
