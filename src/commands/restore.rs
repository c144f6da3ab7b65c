//! `restore`: replaces the site by a backup, or by bench's own archives; `--undo` goes back.

use std::path::PathBuf;

use super::once::beside_a_role;
use super::site::Site;
use crate::backups::tags::Why;
use crate::cli::{Part, Restore};
use crate::config::Config;
use crate::leader::context::{Context, Purpose};
use crate::outcome::refusal::Refusal;
use crate::outcome::{DONE, Fault, Flow};
use crate::pod::Pod;
use crate::record::restored::Restored;
use crate::record::volume::Volume;
use crate::restore::confirm::was_done_before;
use crate::restore::run::{self, Request};
use crate::restore::undo::undo;
use crate::restore::{Archives, Source, repository};
use crate::status::handle::{RoleName, StatusHandle};
use crate::supervise::signals::Shutdown;
use crate::take_backup;

/// # Errors
/// 64 without a source; those of [`run::restore`].
pub async fn restore(config: Config, arguments: Restore, shutdown: &Shutdown) -> Flow<u8> {
    let status = StatusHandle::new(RoleName::Restore, config.site.clone());
    let site = Site::start(beside_a_role(config), &status, shutdown).await?;
    if was_done_before(&volume(&site.pod, &site.name), arguments.confirmed().as_ref())? {
        site.stop().await;
        return Ok(DONE);
    }
    let restored = with_servers(&site, arguments).await;
    site.stop().await;
    restored.map(|()| DONE)
}

async fn with_servers(site: &Site, arguments: Restore) -> Flow<()> {
    let ready = site.wait_for_dependencies().await?;
    let context = Context {
        pod: &site.pod,
        ready,
        database: &site.database,
        direct: &site.database.directly(),
        site: &site.name,
        remove: None,
        purpose: Purpose::Once,
    };
    if arguments.undo {
        return undo(&context).await;
    }
    let source = source(&site.pod, &site.name, &arguments).await?;
    let request = request(source, &arguments)?;
    run::restore(&context, &request, async || safety(&site.pod).await).await
}

/// Takes a backup of the site that is about to be replaced.
async fn safety(pod: &Pod) -> Flow<()> {
    let taken =
        take_backup::take(pod, &take_backup::Request { why: Why::BeforeRestore, beside: None }).await?;
    tracing::info!(
        event = "restore.safety_backup_taken",
        id = taken.backup.as_str(),
        "took a backup of the site that is replaced"
    );
    Ok(())
}

/// What is restored: the backup that is named, or archives.
async fn source(pod: &Pod, site: &str, arguments: &Restore) -> Flow<Source> {
    let Some(wanted) = &arguments.backup else {
        return Ok(Source::Archives(Archives {
            database: arguments.database_archive.clone(),
            public_files: arguments.public_files_archive.clone(),
            private_files: arguments.private_files_archive.clone(),
            site_config: arguments.site_config.clone(),
        }));
    };
    let begun = volume(pod, site).restoring()?.filter(|_| wanted == "newest");
    let begun = begun.as_ref().and_then(|begun| begun.from.strip_prefix("backup "));
    // An interrupted restore continues with its own backup. The newest may be the one that was taken of the site before.
    let backup = repository::find(pod, begun.unwrap_or(wanted), site).await?;
    let of = &backup.manifest.site;
    if of != site && !arguments.rename {
        return Err(Fault::foreign_data(
            format!("backup {} is of site {of}, and SITE_NAME is {site}", backup.id()),
            format!("set SITE_NAME to {of}, or add `--rename` to restore it as {site}; nothing was changed"),
        )
        .named(Refusal::BackupOfOtherSite)
        .into());
    }
    Ok(Source::Repository(Box::new(backup)))
}

fn request(source: Source, arguments: &Restore) -> Result<Request, Fault> {
    let database = source.has_database() && arguments.only != Some(Part::Files);
    let files = source.has_files() && arguments.only != Some(Part::Database);
    if !database && !files {
        let hint =
            "name a backup, `newest`, or an archive: --database-archive FILE, --public-files-archive FILE";
        return Err(Fault::new(crate::outcome::USAGE, "there is nothing to restore", hint));
    }
    // An interrupted restore continues with this backup, also when a newer one is there.
    let named = match &source {
        Source::Repository(backup) => Some(backup.id().to_string()),
        Source::Archives(_) => None,
    };
    let (take_over, waived) = (arguments.take_over, arguments.no_safety_backup.clone());
    let confirmed = arguments.confirmed();
    let (rename, words) = (arguments.rename, arguments.words(named));
    Ok(Request { source, database, files, rename, arguments: words, take_over, waived, confirmed })
}

fn volume(pod: &Pod, site: &str) -> Volume {
    Volume::read_only(pod.bench.cauldron_site(site))
}

impl Restore {
    /// What `--confirm` confirms, as it was requested.
    fn confirmed(&self) -> Option<Restored> {
        let archive = self.database_archive.as_ref().map(|path| path.display().to_string());
        Some(Restored {
            from: self.backup.clone().or(archive).unwrap_or_default(),
            only: self.only.map(|part| part.as_str().to_string()),
            confirm: self.confirm.clone()?,
        })
    }

    /// The arguments as an operator types them, without `--no-safety-backup` and `--confirm`: a restore that has begun needs none.
    fn words(&self, named: Option<String>) -> String {
        let path = |flag: &str, path: &Option<PathBuf>| {
            path.as_ref().map(|path| format!("{flag} {}", path.display()))
        };
        let words = [
            named,
            path("--database-archive", &self.database_archive),
            path("--public-files-archive", &self.public_files_archive),
            path("--private-files-archive", &self.private_files_archive),
            path("--site-config", &self.site_config),
            self.only.map(|part| format!("--only {}", part.as_str())),
            self.rename.then(|| "--rename".into()),
            self.take_over.then(|| "--take-over".into()),
        ];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}
