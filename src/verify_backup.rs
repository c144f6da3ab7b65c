//! Proves a backup: restores it into scratch, compares it with its manifest, and runs Frappe's code on it.
//!
//! ```text
//!   backup ─▶ scratch ─▶ load ─▶ rows ─▶ files ─▶ migrate ─▶ list-apps ─▶ login page ─▶ login ─▶ a page ─▶ report
//! ```
//!
//! Nothing gets out: Redis is private, PostgreSQL has one database for it, Frappe's processes have neither network nor the
//! real sites, where the container may take these away, and the report says whether it could
//! (docs/restore.md#nothing-gets-out).

mod checks;
mod http;
mod open;
mod report;
mod serve;

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

pub use self::open::open;
pub use self::report::{Check, Report};
use crate::backups::manifest::{Manifest, REPORT_FILE};
use crate::backups::tags::{Part, Tags, Verdict};
use crate::code::Code;
use crate::frappe::installed_apps;
use crate::outcome::{Fault, Flow, Stopped};
use crate::pod::Pod;
use crate::postgres::Connection;
use crate::postgres::version::major;
use crate::record::last_verified::LastVerified;
use crate::record::volume::{Volume, random_id};
use crate::restic::Restic;
use crate::restore::load::{self, Target};
use crate::restore::repository::{self, Repository};
use crate::restore::run::Progress;
use crate::restore::space::Extent;
use crate::restore::versions::Versions;
use crate::scratch::{Purpose, Reported, Scratch, ScratchBench};

/// Verifies a backup, stores the report beside it, and returns it.
///
/// # Errors
/// 65 if there is no such backup; 75 without the space; the fault of the repository; a signal. A backup that does not
/// work is no error here: the report says so.
pub async fn verify(pod: &Pod, wanted: &str, site: &str) -> Flow<Report> {
    let backup = repository::find(pod, wanted, site).await?;
    tracing::info!(event = "verify.started", id = backup.id().as_str(), "verifying a backup in scratch");
    let started = Instant::now();
    let mut report = Report::begin(&backup.manifest);
    let scratch = Scratch::start(pod, &purpose(pod, &backup)).await?;
    let examined = examine(pod, &scratch, &backup, &mut report).await;
    scratch.stop().await;
    match examined {
        Ok(()) => {}
        // The backup is what failed.
        Err(Stopped::Fault(fault)) if fault.code == crate::outcome::FOREIGN_DATA => {
            report.checks.push(Check::failed("restore", fault.cause));
        }
        Err(stopped) => return Err(stopped),
    }
    report.end(started.elapsed());
    store(pod, &report, &backup.manifest).await?;
    write_on_the_volume(pod, &report, &backup.manifest);
    Ok(report)
}

/// Neither this installation's database nor the one that the backup is of may be reached.
fn purpose<'a>(pod: &'a Pod, backup: &'a Repository) -> Purpose<'a> {
    let of_backup = backup.site_config().get("db_name").and_then(|name| name.as_str());
    let of_this = pod.config.database.as_ref().and_then(|database| database.name.as_deref());
    Purpose {
        extent: Extent::of(&backup.manifest),
        databases: of_this.into_iter().chain(of_backup).collect(),
    }
}

/// Restores the backup into scratch and lays out the bench. Returns it with a session on the restored database.
///
/// # Errors
/// 65 for a damaged backup; 78 for a server that is older than the backup's; as [`load::load`].
async fn restore(
    pod: &Pod,
    scratch: &Scratch,
    backup: &Repository,
    report: &mut Report,
) -> Flow<(ScratchBench, Connection)> {
    let started = Instant::now();
    let status = pod.status.clone();
    let progress: Progress = Arc::new(move |_| status.progress());
    let session = scratch.session().await?;
    report.server = scratch.place();
    report.server_version = session.version().to_string();
    Versions::of(&backup.manifest).require(major(session.version()), None)?;
    let application = format!("cauldron/{}", random_id());
    let target = Target { server: &scratch.database, login: &scratch.login, application };
    let mut dump = backup.dump(pod)?;
    let loaded = load::load(pod, &target, &mut dump.reader, &progress).await;
    let loaded = dump.finish(pod, loaded).await?;
    backup.compare(&loaded)?;
    report
        .checks
        .push(Check::passed("dump", format!("{} bytes with the digest of the manifest", loaded.bytes)));
    let rows = checks::rows(&session, &backup.manifest, report.rows_mut()).await?;
    report.checks.push(rows);
    let site = &backup.manifest.site;
    let folder = scratch.folder.path().join("bench/sites").join(site);
    fs::create_dir_all(&folder)
        .map_err(|error| Fault::file(format!("cannot create {}", folder.display()), &error))?;
    backup.unpack(pod, &folder).await?;
    let (public, private) = (backup.manifest.files.public, backup.manifest.files.private);
    let files = format!("{} files with {} bytes", public.count + private.count, public.bytes + private.bytes);
    report.checks.push(Check::passed("files", files));
    report.checks.push(checks::key(backup));
    report.restore_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let installed = installed_apps::read_or_empty(&session).await?;
    Ok((ScratchBench::lay_out(pod, scratch, site, backup.site_config(), &installed)?, session))
}

async fn examine(pod: &Pod, scratch: &Scratch, backup: &Repository, report: &mut Report) -> Flow<()> {
    let (bench, session) = restore(pod, scratch, backup, report).await?;
    run_code(pod, scratch, &bench, backup, report).await?;
    if report.passed() { Ok(()) } else { Ok(scratch.require_whole(&session).await?) }
}

async fn run_code(
    pod: &Pod,
    scratch: &Scratch,
    bench: &ScratchBench,
    backup: &Repository,
    report: &mut Report,
) -> Flow<()> {
    if let Ok(code) = Code::read(bench.overlay()).await {
        let names: Vec<String> = backup.manifest.apps.iter().map(|app| app.name.clone()).collect();
        report.code = Some(code.fingerprint(&names));
    }
    if !report.passed() {
        return Ok(());
    }
    report.checks.push(checks::command(pod, bench, &["migrate"]).await?);
    report.isolation = Reported::read(&bench.report());
    if !report.passed() {
        return Ok(());
    }
    // The list is as the last migrate wrote it: before this one, it lacks an app that was installed since.
    report.checks.push(checks::list_apps(pod, bench, &backup.manifest).await?);
    let password = random_id();
    report.checks.push(checks::command(pod, bench, &["set-admin-password", &password]).await?);
    if !report.passed() {
        return Ok(());
    }
    let limit = Duration::from_secs(120);
    report.checks.extend(serve::check(pod, scratch, bench, &backup.manifest.site, &password, limit).await?);
    Ok(())
}

/// Tells the roles. Only of this installation's own backups, and where the volume is: elsewhere the next `backup` tells.
fn write_on_the_volume(pod: &Pod, report: &Report, manifest: &Manifest) {
    let volume = Volume::read_only(pod.bench.cauldron_site(&manifest.site));
    let is_own = pod.config.site.as_ref() == Some(&manifest.site)
        && volume.known_install_id().ok().flatten().as_ref() == Some(&manifest.installation);
    if !is_own {
        return;
    }
    let (at_s, passed) = (Timestamp::now().as_second(), report.passed());
    let verified = LastVerified {
        id: manifest.backup.to_string(),
        at_s,
        passed,
        passed_at_s: passed.then_some(at_s),
        restore_ms: Some(report.restore_ms).filter(|ms| *ms > 0),
        took_ms: Some(report.duration_ms),
    };
    if let Err(fault) = volume.write_last_verified(verified) {
        tracing::warn!(
            event = "verify.not_told",
            reason = fault.cause,
            "the volume cannot be written: the metrics of the roles show this verification after the next backup"
        );
    }
}

/// Stores the report in the repository, with the verdict as a tag: `backup list` shows it.
async fn store(pod: &Pod, report: &Report, manifest: &Manifest) -> Flow<()> {
    let verdict = if report.passed() { Verdict::Passed } else { Verdict::Failed };
    let tags = Tags::new(&manifest.backup, Part::Report, &manifest.site, &manifest.installation);
    let tags = Tags { verdict: Some(verdict), ..tags };
    let restic = Restic::of(pod)?;
    restic.make_way().await?;
    let doing = "cannot store the report of the verification in";
    restic.save_bytes(doing, (REPORT_FILE, &report.json()), &tags.words(), &manifest.site).await?;
    let (rows, duration_ms) = (report.rows_found, report.duration_ms);
    if report.passed() {
        tracing::info!(
            event = "verify.passed",
            id = manifest.backup.as_str(),
            rows,
            duration_ms,
            "the backup works"
        );
    } else {
        let failed = report.failed().unwrap_or_default();
        let id = manifest.backup.as_str();
        tracing::error!(event = "verify.failed", id, failed, duration_ms, "the backup does not work");
    }
    Ok(())
}
