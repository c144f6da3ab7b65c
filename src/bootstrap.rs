//! From a database server and a volume to a site that can be served.
//!
//! ```text
//!   volume ─▶ login ─▶ provision ─▶ lock ─▶ observe ─▶ decide ─▶ act ─▶ gate ─▶ record ─▶ release
//! ```
//!
//! Nothing in the database changes before `decide` allows it, and nothing that this program did not
//! make is ever dropped, cleared or overwritten.

mod adopt;
pub mod assets;
pub mod claim;
mod clear;
mod copy;
mod create;
pub mod decide;
mod follow;
pub mod identity;
pub mod leader;
pub mod lock;
pub mod login;
pub mod observe;
mod pooled;
mod prepare;
mod progress;
mod provision;
mod requirements;
mod rotation;
pub mod rows;
pub mod site_hold;
pub mod sql;
pub mod state;
pub mod step;
mod takeover;
pub mod volume;

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use self::copy::Settled;
use self::create::Creation;
use self::decide::{Action, Mark, Names, Observation, decide};
use self::lock::Leadership;
use self::prepare::{Prepared, prepare};
use self::requirements::{may_create_tables, needed_for_creation};
use self::site_hold::SiteHold;
use self::volume::Volume;
use crate::apps;
use crate::config::database::DatabaseConfig;
use crate::config::{BootstrapMode, Config};
use crate::frappe::bench::Bench;
use crate::frappe::common_config::{self, Merged, Overrides};
use crate::frappe::installed_apps;
use crate::frappe::site_config;
use crate::gate::pass::{self, Demand, Passed};
use crate::health::account::Board;
use crate::install::{self, Work};
use crate::join::{View, live};
use crate::outcome::{Fault, Result, Stopped};
use crate::supervise::process::Processes;
use crate::supervise::signals::Shutdown;

/// For a step to be killed, and for what is said to the database at the end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What every part of the bootstrap works with.
pub struct Context<'a> {
    pub config: &'a Config,
    /// As Frappe's processes reach it.
    pub database: &'a DatabaseConfig,
    /// As we reach it, for locks and schema changes.
    pub direct: &'a DatabaseConfig,
    pub bench: &'a Bench,
    pub site: &'a str,
    /// Where common_site_config.json cannot be written.
    pub overrides: Overrides,
    /// What this pod sees of the bench, once it has joined the apps.
    pub view: Option<View>,
    /// An app that is to leave the site; none are installed then.
    pub remove: Option<&'a str>,
    pub runtime_dir: &'a Path,
    pub processes: &'a Processes,
    pub shutdown: &'a Shutdown,
    pub board: &'a Board,
    pub purpose: Purpose,
}

/// What the site is brought up for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// A role that stays up, whatever a migration comes to.
    #[default]
    Serve,
    /// `bootstrap`: an end, and an exit code.
    Once,
    /// `migrate`: the site is there, or that is an error.
    Migrate {
        /// New attempts for what was tried often enough.
        retry: bool,
    },
}

impl<'a> Context<'a> {
    /// Where Frappe's commands run.
    pub fn sites(&self) -> PathBuf {
        self.view.as_ref().map_or_else(|| self.bench.sites(), View::sites)
    }

    /// What this pod has joined.
    pub fn view(&self) -> &View {
        self.view.as_ref().expect("apps are joined before anything looks at their code")
    }

    /// Has the view show a site folder that was made after it.
    fn link_site(&self) -> Result<()> {
        self.view.as_ref().map_or(Ok(()), |view| view.link_site(self.site))
    }

    /// What the work on apps needs of it.
    pub fn apps(&self) -> apps::Context<'a> {
        apps::Context {
            config: self.config,
            bench: self.bench,
            runtime_dir: self.runtime_dir,
            processes: self.processes,
            shutdown: self.shutdown,
            board: self.board,
        }
    }
}

/// The site is there and finished, and its own login is known: a role may serve it.
#[derive(Debug)]
pub struct Bootstrapped {
    pub overrides: Overrides,
    /// The site's, which is its role's name, too.
    pub database: String,
    /// What every child of this pod sees.
    pub view: View,
    /// Installed apps that cannot be imported here: nothing may run yet.
    pub missing: Vec<String>,
    /// The server takes settings with the login (PGOPTIONS); many poolers refuse them.
    pub accepts_settings: bool,
}

/// Brings the site up, or waits for the pod that does.
///
/// # Errors
/// What stopped it, or the signal that did; every one leaves a state that the next start understands.
pub async fn bootstrap(context: &Context<'_>) -> std::result::Result<Bootstrapped, Stopped> {
    let leads = match context.config.bootstrap {
        BootstrapMode::Lead => true,
        BootstrapMode::Auto => context.database.login.is_some(),
        BootstrapMode::Follow | BootstrapMode::Off => false,
    };
    if leads { lead(context).await } else { context.shutdown.guard(follow::follow(context, None)).await }
}

async fn lead(context: &Context<'_>) -> std::result::Result<Bootstrapped, Stopped> {
    let volume = Volume::open(context.bench.cauldron_site(context.site))?;
    let prepared = context.shutdown.guard(async { Ok(prepare(context, &volume).await?) }).await?;
    let Prepared { mut leadership, database, password, observation, records, accepts_settings } = prepared;
    let adopt = context.config.adopt.as_deref();
    let action = decide(&observation, &Names { site: context.site, database: &database, adopt })?;
    if let Action::Create | Action::CreateAgain { .. } = action {
        if matches!(context.purpose, Purpose::Migrate { .. }) {
            return Err(Fault::configuration(
                format!("there is no site {} to migrate", context.site),
                "`cauldron-frappe bootstrap` makes one",
            )
            .into());
        }
        may_create_tables(leadership.client()).await?;
        needed_for_creation(context)?;
    }
    let settled = copy::settle(context, &records, &volume, &action)?;
    leadership.claim(&settled.install_id, context.config.instance.as_deref(), &holder()).await?;
    let overrides = write_common_config(context).await?;
    let context = &Context { overrides, view: None, ..*context };
    let found = Found {
        database: &database,
        password: &password,
        action: &action,
        observation: &observation,
        settled: &settled,
        accepts_settings,
    };
    let acted = tokio::select! {
        biased;
        acted = act(context, &leadership, &volume, &found) => acted,
        // Between steps nobody else sees it: a statement on a connection that stalls never returns.
        fault = async {
            let fault = leadership.lost().await;
            tokio::time::sleep(LAST_WORDS).await;
            fault
        } => Err(fault.into()),
    };
    let last_words = async {
        if let Err(Stopped::Fault(fault)) = &acted {
            let _ = state::record_error(leadership.client(), context.site, &fault.cause).await;
        }
        leadership.release().await;
    };
    if tokio::time::timeout(LAST_WORDS, last_words).await.is_err() {
        tracing::debug!("the connection stalls: the lock ends with it");
    }
    let Joined { view, missing, passed } = acted?;
    let blocked = match passed {
        Passed::Open => None,
        Passed::Blocked(remedy) => Some(remedy),
        Passed::GaveUp(fault) if context.purpose == Purpose::Serve => {
            tracing::error!(
                cause = fault.cause,
                mend = fault.mend,
                "staying up, unready, until that is done"
            );
            return context.shutdown.guard(follow::follow(context, Some(&fault))).await;
        }
        Passed::GaveUp(fault) => return Err(fault.into()),
    };
    if let (Some(remedy), false) = (&blocked, context.purpose == Purpose::Serve) {
        return Err(Fault::try_again(remedy.clone(), "choose one of these").into());
    }
    SiteHold::of(context.bench, context.site).prepare();
    // It comes up all the same, unready: its own front says what can be done.
    context.board.update(|account| account.gate.problem = blocked);
    let overrides = context.overrides.clone();
    Ok(Bootstrapped { overrides, database, view, missing, accepts_settings })
}

/// Under the lock: followers compare, and write nothing.
async fn write_common_config(context: &Context<'_>) -> Result<Overrides> {
    let managed = common_config::managed(context.config);
    let frappe_major = context.bench.frappe_major();
    match common_config::merge(&context.bench.sites(), &managed, &Vec::new(), frappe_major).await? {
        Merged::Unchanged => Ok(Overrides::new()),
        Merged::Written(keys) => {
            tracing::info!(keys = keys.join(", "), "wrote common_site_config.json");
            Ok(Overrides::new())
        }
        Merged::Overridden(overrides) => {
            let variables = overrides.keys().copied().collect::<Vec<_>>().join(", ");
            tracing::info!(
                variables,
                "common_site_config.json is read-only: its differences go to the environment"
            );
            Ok(overrides)
        }
    }
}

/// What is there, and what is to be done about it.
struct Found<'a> {
    database: &'a str,
    password: &'a SecretString,
    action: &'a Action,
    observation: &'a Observation,
    settled: &'a Settled,
    accepts_settings: bool,
}

/// What the pod sees from now on.
struct Joined {
    view: View,
    /// Installed apps that cannot be imported here.
    missing: Vec<String>,
    passed: Passed,
}

async fn act(
    context: &Context<'_>,
    leadership: &Leadership,
    volume: &Volume,
    found: &Found<'_>,
) -> std::result::Result<Joined, Stopped> {
    let creates = matches!(found.action, Action::Create | Action::CreateAgain { .. });
    let client = leadership.client();
    apps::pins_copy::restore(&context.apps(), client, context.site).await?;
    let code = apps::prepare(&context.apps()).await?;
    apps::pins_copy::record(&context.apps(), client, context.site).await?;
    let installed = if creates { Vec::new() } else { installed_apps::read(client).await? };
    live::make(context.bench);
    let view = View::open(context.runtime_dir, context.bench, code, &installed)?;
    let missing = view.missing(&installed);
    if !missing.is_empty() {
        // This code is older than the site, or another image's: whatever it did would go wrong.
        return Ok(Joined { view, missing, passed: Passed::Open });
    }
    let overrides = context.overrides.clone();
    let context = &Context { overrides, view: Some(view.clone()), ..*context };
    let passed = bring_up(context, leadership, volume, found).await?;
    if !matches!(passed, Passed::Open) {
        return Ok(Joined { view, missing, passed });
    }
    let is_finished = found.action == &Action::GoOn;
    let work = Work {
        context,
        leadership,
        volume,
        view: &view,
        database: found.database,
        password: found.password,
        was_served: !creates,
    };
    let wanted = apps::wanted_on_the_site(&context.apps(), view.code())?;
    match context.remove {
        Some(app) => {
            install::remove(&work, app, &wanted).await?;
            pass::record_as_made(context, leadership).await?;
        }
        None => {
            let installed = install::install(&work, &wanted).await?;
            // What was installed is of this very code.
            if installed > 0 || !is_finished {
                pass::record_as_made(context, leadership).await?;
            } else {
                tracing::info!(site = context.site, "the site is there; nothing to do");
            }
        }
    }
    assets::publish(context, found.database, &view).await?;
    if !is_finished {
        create::finish(context, leadership, volume).await?;
    }
    Ok(Joined { view, missing, passed })
}

/// The site itself, and the gate.
async fn bring_up(
    context: &Context<'_>,
    leadership: &Leadership,
    volume: &Volume,
    found: &Found<'_>,
) -> std::result::Result<Passed, Stopped> {
    let Found { database, password, action, observation, settled, accepts_settings } = found;
    let demand = |always| Demand {
        database,
        password,
        accepts_settings: *accepts_settings,
        always,
        retry: context.purpose == Purpose::Migrate { retry: true },
    };
    match action {
        Action::Create | Action::CreateAgain { .. } => {
            if let Action::CreateAgain { attempt } = action {
                clear::clear(context, leadership.client(), attempt).await?;
            }
            let admin_password = needed_for_creation(context)?;
            let creation =
                Creation { db_name: database, db_password: password, admin_password: &admin_password };
            create::create(context, leadership, volume, &creation).await?;
            set_default_site(context).await?;
        }
        Action::MigrateOnce | Action::Adopt => {
            if *action == &Action::Adopt {
                adopt::make_folder(context)?;
                context.link_site()?;
            }
            rotation::follow(context, leadership.client(), database, password, observation.folder).await?;
            settled.apply(context, leadership, volume).await?;
            if matches!(observation.mark, Mark::Unfinished { .. }) {
                create::mend(context, leadership).await?;
                set_default_site(context).await?;
            } else {
                tracing::info!("the site is complete and was never recorded as finished: migrating once");
                ensure_encryption_key(context).await?;
                return pass::pass(context, leadership, volume, &demand(true)).await;
            }
        }
        Action::GoOn => {
            rotation::follow(context, leadership.client(), database, password, observation.folder).await?;
            settled.apply(context, leadership, volume).await?;
            ensure_encryption_key(context).await?;
            // A kill between the two records of the end leaves this one; a lost database must not
            // be taken for an unfinished one because of it.
            volume.finish_attempt()?;
            return pass::pass(context, leadership, volume, &demand(false)).await;
        }
    }
    // Before the mark: a follower serves as soon as it sees that.
    ensure_encryption_key(context).await?;
    Ok(Passed::Open)
}

async fn ensure_encryption_key(context: &Context<'_>) -> Result<()> {
    let key = context.config.encryption_key.as_ref();
    site_config::ensure_encryption_key(&context.bench.site(context.site), key).await
}

/// Once, at creation: an operator who changes it later keeps the change.
async fn set_default_site(context: &Context<'_>) -> Result<()> {
    let default_site = vec![("default_site", context.site.into())];
    let frappe_major = context.bench.frappe_major();
    common_config::merge(&context.bench.sites(), &Vec::new(), &default_site, frappe_major).await.map(drop)
}

/// How this pod is called in the state.
fn holder() -> String {
    let host = nix::unistd::gethostname()
        .map_or_else(|_| "unknown".into(), |name| name.to_string_lossy().into_owned());
    format!("{host} pid {}", std::process::id())
}
