//! Waiting for the site that another pod brings up, with the site's own credentials.

use std::time::Duration;

use super::copy;
use super::login::{open_with_settings, own_credentials};
use super::volume::Volume;
use super::{Bootstrapped, Context, observe, state};
use crate::bootstrap::decide::Database;
use crate::bootstrap::sql::told;
use crate::config::BootstrapMode;
use crate::frappe::{common_config, site_config};
use crate::health::account::Phase;
use crate::net::Class;
use crate::outcome::{Fault, Result, Stopped};

const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Waits until the site is finished; with `off` it is taken as it is, at once.
pub async fn follow(context: &Context<'_>) -> std::result::Result<Bootstrapped, Stopped> {
    let mut shown = String::new();
    loop {
        let waiting_for = match look(context).await? {
            Seen::Finished(bootstrapped) => return Ok(bootstrapped),
            Seen::NotYet(reason) if context.config.bootstrap == BootstrapMode::Off => {
                let mend = "let a pod with a database login bootstrap it, or set CAULDRON_BOOTSTRAP=follow";
                return Err(Fault::unavailable(reason, mend).into());
            }
            Seen::NotYet(reason) => reason,
        };
        if waiting_for != shown {
            tracing::info!(reason = %waiting_for, "waiting for the site");
            context.board.enter(Phase::Bootstrapping, format!("follows: {waiting_for}"));
            shown = waiting_for;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

enum Seen {
    Finished(Bootstrapped),
    NotYet(String),
}

async fn look(context: &Context<'_>) -> Result<Seen> {
    let path = context.bench.site(context.site);
    let folder = site_config::look(&path)
        .map_err(|error| Fault::file(format!("cannot look at {}", path.display()), &error))?;
    let Some(login) = own_credentials(&folder) else {
        return Ok(Seen::NotYet(format!("{} has no site_config.json yet", path.display())));
    };
    let connected = open_with_settings(context.database, &login, "cauldron/follow");
    let (connection, accepts_settings) = match connected.await {
        Ok(connection) => connection,
        Err(error) if error.class() == Class::Never => return Err(error.into()),
        Err(error) => return Ok(Seen::NotYet(error.to_string())),
    };
    let state = state::read(&connection, context.site).await.map_err(told("cannot read our state"))?;
    if let Some(state) = &state {
        // The leader's beat is a follower's progress.
        if state.beat_age_ms.is_some_and(|age| age < 30_000) {
            context.board.progress();
        }
        context.board.update(|account| {
            account.holder.clone_from(&state.holder);
            account.attempt.clone_from(&state.attempt);
            account.last_error.clone_from(&state.last_error);
        });
    }
    // A leader that has not recorded the end may be migrating; where none ever led, the site was made
    // without us and is taken as it is.
    let unfinished = state.as_ref().is_some_and(|state| state.phase != "complete");
    if observe::database(&connection).await? == Database::Complete && !unfinished {
        if let Some(mark) = Volume::to_read(context.bench.cauldron_site(context.site)).copy_mark()? {
            context.board.update(|account| account.copy_of = Some(mark.of.clone()));
            copy::tell(&mark);
        }
        let managed = common_config::managed(context.config);
        let overrides =
            common_config::compare(&context.bench.sites(), &managed, context.bench.frappe_major())?;
        return Ok(Seen::Finished(Bootstrapped { overrides, accepts_settings }));
    }
    let holder = state.and_then(|state| state.holder).unwrap_or_else(|| "nobody".into());
    Ok(Seen::NotYet(format!("the site is not finished; {holder} leads")))
}
