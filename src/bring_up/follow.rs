//! Waiting for the site that another pod brings up, with the site's own credentials.

use secrecy::SecretString;

use super::Bootstrapped;
use super::copy;
use crate::apps;
use crate::apps::shared_apps;
use crate::config::BootstrapMode;
use crate::create::assets;
use crate::create::login::open_session;
use crate::frappe::site_config::{self, SiteLogin};
use crate::frappe::{common_config, installed_apps};
use crate::leader::context::Context;
use crate::leader::sighting::Leader;
use crate::migrate::admit;
use crate::net::Class;
use crate::outcome::{Fault, Flow, Result};
use crate::overlay::BenchOverlay;
use crate::postgres::Connection;
use crate::postgres::sql::sql_fault;
use crate::record::journal;
use crate::record::phase::SitePhase;
use crate::record::state;
use crate::record::state::State;
use crate::record::timing::{FOLLOW_INTERVAL, FOLLOW_INTERVAL_WITHOUT_SESSION};
use crate::record::volume::{Volume, same_secret};
use crate::site_state::decide::Database;
use crate::site_state::observe;
use crate::status::handle::Phase;
use crate::status::operation::{NotReady, Operation};

/// Waits until the site is finished and of this code; with `off` it is taken as it is, at once. A leader
/// that gave up waits for whoever mends it, and never goes away by itself.
pub async fn follow(context: &Context<'_>, gave_up: Option<&Fault>) -> Flow<Bootstrapped> {
    let mut leader = Leader::new(&context.pod.status);
    let mut session = None;
    context.pod.status.enter(Phase::Bootstrapping, Some(Operation::Following));
    loop {
        let (state, reason) = match look(context, &mut session).await? {
            Seen::Finished(bootstrapped) => return Ok(bootstrapped),
            Seen::NotYet(state, reason) => (state, reason),
        };
        if context.pod.config.bootstrap == BootstrapMode::Off {
            let hint = "let a pod with a database login bootstrap it, or set CAULDRON_BOOTSTRAP=follow";
            return Err(Fault::unavailable(reason.to_string(), hint).into());
        }
        let seen = leader.see(state.as_deref(), reason);
        match gave_up {
            None => seen?,
            Some(fault) => context.pod.status.update(|status| {
                status.operation = Some(Operation::GivenUp(fault.clone()));
                status.last_error = Some(fault.cause.clone());
                status.progress_at = std::time::Instant::now();
            }),
        }
        match &session {
            Some(session) => session.connection.notified(FOLLOW_INTERVAL).await,
            None => tokio::time::sleep(FOLLOW_INTERVAL_WITHOUT_SESSION).await,
        }
    }
}

/// One look. `fault` is why nobody leads here.
///
/// # Errors
/// `fault`, with what is missing, where the site may not be served as it is.
pub async fn once(context: &Context<'_>, fault: &Fault) -> Result<Bootstrapped> {
    match look(context, &mut None).await? {
        Seen::Finished(bootstrapped) => Ok(bootstrapped),
        Seen::NotYet(_, reason) => {
            Err(Fault { cause: format!("{reason}; {}", fault.cause), ..fault.clone() })
        }
    }
}

enum Seen {
    Finished(Bootstrapped),
    /// Our record, where it could be read, and what is missing.
    NotYet(Option<Box<State>>, NotReady),
}

/// The session that waits, as long as the site's credentials are the ones it was opened with.
struct Session {
    connection: Connection,
    accepts_settings: bool,
    own: SiteLogin,
}

async fn look(context: &Context<'_>, session: &mut Option<Session>) -> Result<Seen> {
    let path = context.pod.bench.site(context.site);
    let folder = site_config::look(&context.pod.bench, context.site)
        .map_err(|error| Fault::file(format!("cannot look at {}", path.display()), &error))?;
    let Some(own) = folder.login() else {
        return Ok(Seen::NotYet(None, NotReady::NoSiteConfig(path)));
    };
    if session.as_ref().is_some_and(|session| !session.is_of(&own)) {
        *session = None;
    }
    if session.is_none() {
        match open_session(context, &own, "cauldron/follow").await {
            Ok((connection, accepts_settings)) => {
                state::listen(&connection).await;
                *session = Some(Session { connection, accepts_settings, own });
            }
            Err(error)
                if error.class() == Class::Never || context.pod.config.bootstrap == BootstrapMode::Off =>
            {
                return Err(error.into());
            }
            // A wrong password among them: a leader may be about to write another one.
            Err(error) => return Ok(Seen::NotYet(None, NotReady::Unreachable(error))),
        }
    }
    let Some(open) = session else { return Ok(Seen::NotYet(None, NotReady::SessionClosed)) };
    let seen = look_inside(context, open).await;
    match seen {
        Err(fault) if open.connection.is_closed() => {
            *session = None;
            Ok(Seen::NotYet(None, NotReady::SessionLost(fault.cause)))
        }
        seen => seen,
    }
}

impl Session {
    fn is_of(&self, other: &SiteLogin) -> bool {
        let same = |a: &Option<SecretString>, b: &Option<SecretString>| match (a, b) {
            (Some(a), Some(b)) => same_secret(a, b),
            _ => false,
        };
        self.own.database == other.database
            && self.own.login.user == other.login.user
            && same(&self.own.login.password, &other.login.password)
    }
}

async fn look_inside(context: &Context<'_>, session: &Session) -> Result<Seen> {
    let connection = &session.connection;
    let state = state::read(connection, context.site).await.map_err(sql_fault("cannot read our state"))?;
    // A leader that has not recorded the end may be migrating; where none ever led, the site was made
    // without us and is taken as it is.
    let unfinished = state.as_ref().is_some_and(|state| state.phase != SitePhase::Complete);
    if observe::database(connection).await? != Database::Complete || unfinished {
        return Ok(Seen::NotYet(state.map(Box::new), NotReady::Unfinished));
    }
    if let Some(mark) = Volume::to_read(context.pod.bench.cauldron_site(context.site)).copy_mark()? {
        context.pod.status.update(|status| status.copy_of = Some(mark.of.clone()));
        copy::tell(&mark);
    }
    let Some(code) = apps::joined(context.pod)? else {
        return Ok(Seen::NotYet(state.map(Box::new), NotReady::AppsNotPublished));
    };
    let installed = installed_apps::read(connection).await?;
    let wanted = apps::wanted_on_the_site(context.pod, &code)?;
    let journal = journal::read(connection, context.site).await?;
    let begun = |app: &String| journal.get(app).is_some_and(|entry| !entry.finished);
    if context.pod.config.bootstrap != BootstrapMode::Off
        && let Some(app) = wanted.iter().find(|app| !installed.contains(app) || begun(app))
    {
        return Ok(Seen::NotYet(state.map(Box::new), NotReady::AppNotInstalled(app.clone())));
    }
    if context.pod.config.bootstrap != BootstrapMode::Off {
        shared_apps::make(&context.pod.bench);
    }
    let overlay = BenchOverlay::open(&context.pod.runtime_dir, &context.pod.bench, code, &installed)?;
    assets::publish_own(context, &overlay).await?;
    let missing = overlay.missing(&installed);
    if missing.is_empty()
        && let Some(state) = &state
        && context.pod.config.bootstrap != BootstrapMode::Off
        && let Some(reason) = admit::refusal(context, &overlay, connection, state).await?
    {
        return Ok(Seen::NotYet(Some(Box::new(state.clone())), NotReady::NotAdmitted(reason)));
    }
    let managed = common_config::managed(&context.pod.config);
    let overrides =
        common_config::compare(&context.pod.bench.sites(), &managed, context.pod.bench.frappe_major())?;
    Ok(Seen::Finished(Bootstrapped {
        ready: context.ready,
        overrides,
        database: session.own.database.clone(),
        overlay,
        missing,
        accepts_settings: session.accepts_settings,
    }))
}
