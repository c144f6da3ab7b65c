//! The database of a restore: opened or created, its contents set aside, the dump loaded, and the old contents dropped.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use super::hold::Held;
use super::load::{self, Loaded, Target};
use super::run::Progress;
use super::source::Source;
use super::versions::Versions;
use crate::config::database::Login;
use crate::create::login::{self, LoginMode, Opened, known_passwords, login_mode};
use crate::create::provision::{self, DesiredSite, Provisioned};
use crate::frappe::site_config::{self, SiteFolder, SiteLogin};
use crate::leader::context::Context;
use crate::leader::own::Own;
use crate::outcome::refusal::Refusal;
use crate::outcome::{FOREIGN_DATA, Fault, Flow, Result, Stopped};
use crate::postgres;
use crate::postgres::aside::{self, Obstacle};
use crate::postgres::plain_dump::FirstRow;
use crate::postgres::sql::sql_fault;
use crate::postgres::version::major;
use crate::record::schema;
use crate::record::volume::{Volume, random_id, same_secret};
use crate::site_state::decide::Names;

/// The note on contents that are set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    from: String,
    /// The new contents are complete and compared.
    loaded: bool,
    /// The installation on record in the dump, once it is loaded: a killed restore must still mute a copy.
    #[serde(default)]
    installation: Option<String>,
}

impl Note {
    fn text(&self) -> String {
        serde_json::to_string(self).expect("a note is JSON")
    }
}

/// Opens the site's database as its own role; with an administrator's login, creates it where it is absent, unless the
/// server is too old for the backup.
///
/// # Errors
/// 78 for a server that is too old; 77 for a login that fails, 75 for temporary failures.
pub async fn open(
    context: &Context<'_>,
    volume: &Volume,
    source: &Source,
    versions: Versions,
) -> Result<(Opened, Own)> {
    let read = || {
        site_config::inspect(&context.pod.bench, context.site)
            .map_err(|error| Fault::file(format!("cannot read sites/{}", context.site), &error))
    };
    let folder = read()?;
    let (mode, own) = login_mode(context, &folder)?;
    let known = |folder: &SiteFolder| -> Result<Vec<SecretString>> {
        let mut known = known_passwords(context, &mode, folder, volume)?;
        // The volume may be lost, and the role may still have the password of the backup.
        let config = source.site_config()?.unwrap_or_default();
        let of_backup = config.get("db_password").and_then(|password| password.as_str());
        known.extend(
            of_backup.map(SecretString::from).filter(|new| !known.iter().any(|old| same_secret(old, new))),
        );
        Ok(known)
    };
    let LoginMode::Administrator(admin) = &mode else {
        let opened = login::open(context, &own, &known(&folder)?).await?;
        return Ok((opened.ok_or_else(|| provision::other_password(&own.user))?, own));
    };
    if let Ok(Some(opened)) = login::open(context, &own, &known(&folder)?).await {
        return Ok((opened, own));
    }
    let Provisioned { password, refusal } = provision::provision(&DesiredSite {
        database: context.direct,
        admin,
        names: Names { site: context.site, database: &own.database, adopt: None },
        volume,
        read_folder: &read,
        known_passwords: &known,
        password_works: false,
        restores: true,
        check_requirements: &|version| versions.require(major(version), None),
    })
    .await?;
    let opened = login::open(context, &own, &[password]).await?;
    Ok((opened.ok_or_else(|| refusal.unwrap_or_else(|| provision::other_password(&own.user)))?, own))
}

/// Refuses a login that may not set the contents aside, before anything is changed.
///
/// # Errors
/// 77 with the statement that grants the right.
pub async fn check_rights(client: &Client) -> Result<()> {
    match aside::obstacle(client).await.map_err(sql_fault("cannot read the role's rights"))? {
        None => Ok(()),
        Some(Obstacle::NoPublic) => {
            let cause = "the site's database has no schema public";
            Err(Fault::permission(cause, "run in it: CREATE SCHEMA public").named(Refusal::PrivilegeMissing))
        }
        Some(Obstacle::Right { role, database }) => Err(Fault::permission(
            format!("role `{role}` may not rename schema public of database `{database}`"),
            format!(
                "run in it as an administrator: ALTER DATABASE \"{database}\" OWNER TO \"{role}\"; ALTER SCHEMA public \
                 OWNER TO \"{role}\"; nothing was changed"
            ),
        )
        .named(Refusal::PrivilegeMissing)),
    }
}

/// True if an earlier restore has set contents aside.
pub async fn has_aside(client: &Client) -> Result<bool> {
    Ok(aside::note(client).await.map_err(sql_fault("cannot inspect the database"))?.is_some())
}

/// Does work in the site's database. A stop request ends the statement that runs, whose transaction is rolled back: the
/// next restore continues there, as after a kill.
///
/// # Errors
/// Those of the work; a requested stop.
pub async fn guarded<T>(held: &Held<'_>, work: impl Future<Output = Result<T>>) -> Flow<T> {
    let done = held.context.pod.shutdown.guard(async { Ok(work.await?) }).await;
    if let Err(Stopped::Signal(_)) = &done {
        postgres::abort(held.context.direct, held.leadership.client()).await;
    }
    done
}

/// What the dump says about the site that it was taken from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The installation on record in the dump.
    pub installation: Option<String>,
}

/// Sets the present contents aside and loads the dump, or continues where an earlier try stopped.
///
/// # Errors
/// 65 for a damaged dump, after the previous contents were put back; 75 if psql fails; a requested stop.
pub async fn replace(held: &Held<'_>, source: &Source, progress: &Progress) -> Flow<Origin> {
    let (from, client) = (source.describe(), held.leadership.client());
    let present = aside::note(client).await.map_err(sql_fault("cannot inspect the database"))?;
    let mut note = Note { from: from.clone(), loaded: false, installation: None };
    match present.as_deref().map(serde_json::from_str::<Note>) {
        Some(Ok(earlier)) if earlier.loaded && earlier.from == from => {
            return Ok(Origin { installation: earlier.installation });
        }
        Some(_) => {
            tracing::info!(
                event = "restore.load_begins_again",
                "an earlier try was interrupted: loading again"
            );
            guarded(held, async {
                aside::annotate(client, &note.text()).await.map_err(sql_fault("cannot mark the restore"))?;
                aside::empty_public(client, schema::LIKE)
                    .await
                    .map_err(sql_fault("cannot empty schema public"))
            })
            .await?;
        }
        None => {
            guarded(held, async {
                let set_aside = aside::set_aside(client, schema::LIKE, &note.text()).await;
                set_aside.map_err(sql_fault("cannot set the present tables aside"))
            })
            .await?;
        }
    }
    let loaded = match load_dump(held, source, progress).await {
        Ok(loaded) => loaded,
        Err(stopped) => {
            if is_unfit(&stopped) {
                guarded(held, undo(client)).await?;
            }
            return Err(stopped);
        }
    };
    let state = loaded.left_out.get(schema::STATE_TABLE);
    note.installation = state.and_then(|row: &FirstRow| row.value("install_id")).map(str::to_string);
    note.loaded = true;
    aside::annotate(client, &note.text()).await.map_err(sql_fault("cannot mark the restore"))?;
    let tables = loaded.tables.len();
    let rows: u64 = loaded.tables.values().sum();
    tracing::info!(
        event = "restore.database_loaded",
        bytes = loaded.bytes,
        tables,
        rows,
        "loaded the database"
    );
    Ok(Origin { installation: note.installation })
}

fn is_unfit(stopped: &Stopped) -> bool {
    matches!(stopped, Stopped::Fault(fault) if fault.code == FOREIGN_DATA)
}

async fn load_dump(held: &Held<'_>, source: &Source, progress: &Progress) -> Flow<Loaded> {
    let context = held.context;
    let mut dump = source.dump(context.pod)?;
    // A name of this form is that of a step: the next leader ends a session that we leave behind.
    let application = format!("cauldron/{}", random_id());
    let login = site_login(&held.own, &held.password);
    let target = Target { server: context.direct, login: &login, application };
    let loaded = load::load(context.pod, &target, &mut dump.reader, progress).await;
    let loaded = dump.finish(context.pod, loaded).await?;
    source.compare(&loaded)?;
    Ok(loaded)
}

/// Puts the previous contents back.
///
/// # Errors
/// 75; it can be called again.
pub async fn undo(client: &Client) -> Result<()> {
    if has_aside(client).await? {
        aside::put_back(client, schema::LIKE)
            .await
            .map_err(sql_fault("cannot put the previous tables back"))?;
        tracing::info!(event = "restore.database_put_back", "put the previous tables back");
    }
    Ok(())
}

/// Drops the previous contents, which nobody needs any more.
///
/// # Errors
/// 75; it can be called again.
pub async fn discard(client: &Client) -> Result<()> {
    aside::discard(client).await.map_err(sql_fault("cannot drop the previous tables"))
}

/// The login of the site's own role.
fn site_login(own: &Own, password: &SecretString) -> SiteLogin {
    let login = Login { user: own.user.clone(), password: Some(password.clone()) };
    SiteLogin { database: own.database.clone(), login }
}
