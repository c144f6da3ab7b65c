//! Takes a backup of the site, beside the roles that serve it (docs/backups.md).
//!
//! ```text
//!   restic and pg_dump fit ─▶ repository there, or made ─▶ turn (no migration runs) ─▶ database ─▶ files ─▶ manifest
//!   └────────────── nothing is written ────────────────┘                             pg_dump ▸ us ▸ restic
//! ```
//!
//! A kill at any moment leaves at most snapshots without a manifest, which do not count (`backups::list`).

mod amounts;
mod copy_counter;
mod dumps;
mod files;
pub mod forget;
mod progress;
mod repository;
mod rows;
mod site;
mod stream;
mod turn;

use jiff::Timestamp;

use self::rows::Dumped;
use self::site::{Code, Site};
use crate::backups::bytes;
use crate::backups::id::BackupId;
use crate::backups::manifest::{self, Database, MANIFEST_FILE, Manifest};
use crate::backups::tags::{Part, Tags, Why};
use crate::leader::pg_dump;
use crate::outcome::Flow;
use crate::pod::Pod;
use crate::postgres::sql::sql_fault;
use crate::record::last_verified::LastVerified;
use crate::record::newest_backup;
use crate::record::volume::{LastBackup, Volume};
use crate::restic::Restic;

pub use self::repository::{contents, open_existing};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    pub why: Why,
    /// The other installation beside whose backups ours may be, as the refusal named it.
    pub beside: Option<String>,
}

/// Takes one backup, and returns what it contains.
///
/// # Errors
/// 78 for a setting, a missing program or a bucket that does not exist, 77 for a login, 69 for a server that does not
/// answer, 75 for what may go away; a signal. A backup that failed does not count.
pub async fn take(pod: &Pod, request: &Request) -> Flow<Manifest> {
    let restic = Restic::of(pod)?;
    restic.check_program().await?;
    let holds_the_site = request.why == Why::BeforeRestore;
    if let Some(name) = pod.config.site.as_ref().filter(|_| !holds_the_site) {
        turn::wait_until_free(pod, name).await?;
    }
    let site = pod.shutdown.guard(async { Ok(Site::open(pod).await?) }).await?;
    let pg_dump =
        pod.shutdown.guard(async { Ok(pg_dump::check(pod, site.connection.version()).await?) }).await?;
    let before = repository::prepare(&restic, &site, request).await?;
    let id = BackupId::new(Timestamp::now(), rand::random());
    tracing::info!(
        event = "backup.started",
        id = id.as_str(),
        site = site.name,
        repository = restic.shown,
        reason = request.why.as_str(),
        "taking a backup"
    );
    turn::take(pod, &site, holds_the_site).await?;
    let (code, folders) = (site.code().await?, files::Folders::of(&site.folder));
    let tags = |part| Tags {
        code: code.fingerprint.clone(),
        why: Some(request.why),
        ..Tags::new(&id, part, &site.name, &site.installation)
    };
    let dumped =
        rows::save(pod, &restic, &site, &pg_dump, &tags(Part::Database), before.database_bytes).await?;
    turn::release(&site).await?;
    let saved = files::save(pod, &restic, &site, &tags(Part::Files)).await?;
    folders.unchanged(&site.folder)?;
    let manifest = describe(&site, &code, (&id, request.why), &pg_dump.version, dumped, saved);
    let (size_bytes, database_bytes) = (Some(manifest.bytes()), Some(manifest.database.bytes));
    let tags = Tags { size_bytes, database_bytes, ..tags(Part::Manifest) };
    let doing = "cannot save the manifest of the backup in";
    restic.save_bytes(doing, (MANIFEST_FILE, &manifest.json()), &tags.words(), &site.name).await?;
    tracing::info!(
        event = "backup.finished",
        id = id.as_str(),
        bytes = manifest.bytes(),
        size = bytes::size(manifest.bytes()),
        tables = manifest.database.tables.len(),
        rows = manifest.rows(),
        files = manifest.files.public.count + manifest.files.private.count,
        "the backup is complete"
    );
    write_on_the_volume(pod, &site, &manifest, before.verified);
    record(&site, &manifest).await;
    dumps::save(pod, &restic, &site, &before.dumps).await?;
    Ok(manifest)
}

/// Tells the roles, which have no access to the repository. A volume that may only be read is no failure.
fn write_on_the_volume(pod: &Pod, site: &Site, manifest: &Manifest, verified: Option<LastVerified>) {
    let at = manifest.backup.time();
    let took_s = u64::try_from(Timestamp::now().duration_since(at).as_secs()).unwrap_or_default();
    let last =
        LastBackup { id: manifest.backup.to_string(), at_s: at.as_second(), bytes: manifest.bytes(), took_s };
    let volume = Volume::read_only(pod.bench.cauldron_site(&site.name));
    let written = volume
        .write_last_backup(&last)
        .and_then(|()| verified.map_or(Ok(()), |verified| volume.write_last_verified(verified)));
    if let Err(fault) = written {
        tracing::warn!(
            event = "backup.not_told",
            reason = fault.cause,
            "the volume cannot be written: the metrics of the roles do not show this backup"
        );
    }
}

/// Tells it to the refusal of a lost volume. The session may be gone after the hours that the files took: no failure.
async fn record(site: &Site, manifest: &Manifest) {
    let (id, taken) = (manifest.backup.as_str(), manifest.backup.time());
    if let Err(error) = newest_backup::write(&site.connection, &site.name, id, taken).await {
        tracing::warn!(
            event = "backup.not_recorded",
            reason = sql_fault("cannot record the backup")(error).cause,
            "the database does not record this backup: a refusal for a lost volume would not tell its age"
        );
    }
}

fn describe(
    site: &Site,
    code: &Code,
    (id, why): (&BackupId, Why),
    pg_dump_version: &str,
    dumped: Dumped,
    (files, vanished): (manifest::Files, Vec<String>),
) -> Manifest {
    Manifest {
        version: manifest::VERSION,
        backup: id.clone(),
        taken_at: id.time().to_string(),
        reason: why.as_str().to_string(),
        site: site.name.clone(),
        installation: site.installation.clone(),
        fingerprint: code.fingerprint.clone(),
        migration: code.migration.clone(),
        frappe_version: code.apps.iter().find(|app| app.name == "frappe").and_then(|app| app.version.clone()),
        apps: code.apps.clone(),
        database: Database {
            snapshot: dumped.snapshot.0,
            bytes: dumped.bytes,
            sha256: dumped.sha256,
            server_version: site.connection.version().to_string(),
            pg_dump_version: pg_dump_version.to_string(),
            tables: dumped.tables,
        },
        files,
        vanished,
        made_by: env!("CARGO_PKG_VERSION").to_string(),
    }
}
