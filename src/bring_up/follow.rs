//! Waits, with the site's own credentials, for the site that another pod brings up.

use secrecy::SecretString;

use super::Bootstrapped;
use super::copy;
use crate::apps;
use crate::apps::shared_apps;
use crate::config::BootstrapMode;
use crate::create::assets;
use crate::create::login::open_session;
use crate::frappe::bench_id::BenchIds;
use crate::frappe::common_config::{self, Wanted};
use crate::frappe::installed_apps;
use crate::frappe::site_config::{self, SiteLogin};
use crate::leader::context::Context;
use crate::leader::sighting::LeaderWatch;
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

/// Waits until the site is finished and matches this code; with `off` it is taken as it is, at once. A leader that gave
/// up waits here for the fix and never exits on its own.
pub async fn follow(context: &Context<'_>, gave_up: Option<&Fault>) -> Flow<Bootstrapped> {
    let mut leader = LeaderWatch::new(&context.pod.status);
    let mut session = None;
    context.pod.status.enter(Phase::Bootstrapping, Some(Operation::Following));
    loop {
        let (state, reason) = match check(context, &mut session).await? {
            SiteCheck::Finished(bootstrapped) => return Ok(bootstrapped),
            SiteCheck::NotReady(state, reason) => (state, reason),
        };
        if context.pod.config.bootstrap == BootstrapMode::Off {
            let hint = "let a pod with a database login bootstrap it, or set CAULDRON_BOOTSTRAP=follow";
            return Err(Fault::unavailable(reason.to_string(), hint).into());
        }
        let shown = leader.show(state.as_deref(), reason);
        match gave_up {
            None => shown?,
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

/// Checks once. `fault` is the reason why this pod does not lead.
///
/// # Errors
/// `fault`, with what is missing, if the site may not be served as it is.
pub async fn once(context: &Context<'_>, fault: &Fault) -> Result<Bootstrapped> {
    match check(context, &mut None).await? {
        SiteCheck::Finished(bootstrapped) => Ok(bootstrapped),
        SiteCheck::NotReady(_, reason) => {
            Err(Fault { cause: format!("{reason}; {}", fault.cause), ..fault.clone() })
        }
    }
}

/// The result of one check.
enum SiteCheck {
    Finished(Bootstrapped),
    /// Our record, if it could be read, and what is missing.
    NotReady(Option<Box<State>>, NotReady),
}

/// The session that waits. It is reopened when the site's credentials change.
struct Session {
    connection: Connection,
    accepts_settings: bool,
    own: SiteLogin,
}

async fn check(context: &Context<'_>, session: &mut Option<Session>) -> Result<SiteCheck> {
    let path = context.pod.bench.site(context.site);
    let folder = site_config::inspect(&context.pod.bench, context.site)
        .map_err(|error| Fault::file(format!("cannot read {}", path.display()), &error))?;
    let Some(own) = folder.login() else {
        return Ok(SiteCheck::NotReady(None, NotReady::NoSiteConfig(path)));
    };
    if session.as_ref().is_some_and(|session| !session.was_opened_with(&own)) {
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
            // These errors include a wrong password: a leader may be about to write another one.
            Err(error) => return Ok(SiteCheck::NotReady(None, NotReady::Unreachable(error))),
        }
    }
    let Some(open) = session else { return Ok(SiteCheck::NotReady(None, NotReady::SessionClosed)) };
    let checked = check_site(context, open).await;
    match checked {
        Err(fault) if open.connection.is_closed() => {
            *session = None;
            Ok(SiteCheck::NotReady(None, NotReady::SessionLost(fault.cause)))
        }
        checked => checked,
    }
}

impl Session {
    fn was_opened_with(&self, other: &SiteLogin) -> bool {
        let same = |a: &Option<SecretString>, b: &Option<SecretString>| match (a, b) {
            (Some(a), Some(b)) => same_secret(a, b),
            _ => false,
        };
        self.own.database == other.database
            && self.own.login.user == other.login.user
            && same(&self.own.login.password, &other.login.password)
    }
}

async fn check_site(context: &Context<'_>, session: &Session) -> Result<SiteCheck> {
    let connection = &session.connection;
    let state = state::read(connection, context.site).await.map_err(sql_fault("cannot read our record"))?;
    // A leader that has not recorded the end may still be migrating. A site without our record was made without us and
    // is taken as it is.
    let unfinished = state.as_ref().is_some_and(|state| state.phase != SitePhase::Complete);
    if observe::database(connection).await? != Database::Complete || unfinished {
        return Ok(SiteCheck::NotReady(state.map(Box::new), NotReady::Unfinished));
    }
    if let Some(mark) = Volume::read_only(context.pod.bench.cauldron_site(context.site)).copy_mark()? {
        context.pod.status.update(|status| status.copy_of = Some(mark.of.clone()));
        copy::log(&mark);
    }
    // With another id, our children would look for jobs where the pods that have this id do not enqueue them.
    if context.pod.config.bootstrap != BootstrapMode::Off
        && let Some(id) = &context.pod.config.bench_id.always
        && BenchIds::of(&context.pod.config).current != *id
    {
        return Ok(SiteCheck::NotReady(state.map(Box::new), NotReady::OtherBenchId(id.clone())));
    }
    let Some(code) = apps::published_apps(context.pod)? else {
        return Ok(SiteCheck::NotReady(state.map(Box::new), NotReady::AppsNotPublished));
    };
    let installed = installed_apps::read(connection).await?;
    let wanted = apps::wanted_on_the_site(&context.pod.config, &context.pod.bench, &code)?;
    let journal = journal::read(connection, context.site).await?;
    let begun = |app: &String| journal.get(app).is_some_and(|entry| !entry.finished);
    if context.pod.config.bootstrap != BootstrapMode::Off
        && let Some(app) = wanted.iter().find(|app| !installed.contains(app) || begun(app))
    {
        return Ok(SiteCheck::NotReady(state.map(Box::new), NotReady::AppNotInstalled(app.clone())));
    }
    if context.pod.config.bootstrap != BootstrapMode::Off {
        shared_apps::create_folder(&context.pod.bench);
    }
    let overlay = BenchOverlay::open(&context.pod.runtime_dir, &context.pod.bench, code, &installed)?;
    assets::publish_as_follower(context, &overlay).await?;
    let missing = overlay.missing(&installed);
    if missing.is_empty()
        && let Some(state) = &state
        && context.pod.config.bootstrap != BootstrapMode::Off
        && let Some(reason) = admit::refusal(context, &overlay, connection, state).await?
    {
        return Ok(SiteCheck::NotReady(Some(Box::new(state.clone())), NotReady::NotAdmitted(reason)));
    }
    let wanted = Wanted::of_reader(&context.pod.config);
    let (bench, folder) = (&context.pod.bench, context.pod.bench.site(context.site));
    let overrides = common_config::compare(&bench.sites(), Some(&folder), &wanted, bench.frappe_major())?;
    Ok(SiteCheck::Finished(Bootstrapped {
        ready: context.ready,
        overrides,
        database: session.own.database.clone(),
        overlay,
        missing,
        accepts_settings: session.accepts_settings,
    }))
}
