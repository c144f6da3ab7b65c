//! What makes the restored data this installation's site: its settings and keys, its mark as a copy, and an empty cache.

use std::path::Path;

use super::hold::Held;
use super::keys;
use super::run::Request;
use crate::frappe::bench_id::Rule;
use crate::frappe::common_config::{self, Wanted};
use crate::frappe::{site_config, sites};
use crate::leader::context::Context;
use crate::outcome::Result;
use crate::overlay::caches::Caches;
use crate::record::identity::CopyMark;
use crate::record::volume::{Volume, random_id};

/// Writes site_config.json: the backup's settings and key, with the login that opens the database here.
pub async fn write_keys(held: &Held<'_>, request: &Request, folder: &Path) -> Result<()> {
    site_config::write_login(folder, &held.own.database, &held.password).await?;
    let Some(backup) = request.source.site_config()? else { return Ok(()) };
    if request.database && !backup.contains_key(keys::ENCRYPTION_KEY) {
        tracing::warn!(
            event = "restore.key_missing",
            "the backup has no encryption_key: passwords that the site has saved (mail accounts, integrations) can be \
             read only if the present key is the one they were saved with"
        );
    }
    site_config::edit(folder, |config| keys::merge(config, &backup, request.database && request.files)).await
}

/// Gives a volume without a site its bench id and default site, before it has a site: a bootstrap that finds one
/// regards the bench as an old one, which keeps Frappe's default id, and the jobs that wait are in queues of another name.
pub async fn make_bench(context: &Context<'_>, keeps_database: bool) -> Result<()> {
    let (config, bench) = (&context.pod.config, &context.pod.bench);
    if sites::has_any(bench) {
        return Ok(());
    }
    let only_if_absent = vec![("default_site", context.site.into())];
    let bench_id = Some(Rule::of_restore(config, keeps_database));
    let wanted = Wanted { only_if_absent, bench_id, ..Wanted::default() };
    common_config::merge(bench, &wanted).await.map(drop)
}

/// Marks the site as a copy, before any of its code runs: its mails are muted, its scheduler is paused.
pub fn mute(volume: &Volume, of: String) -> Result<()> {
    if volume.copy_mark()?.is_some() {
        return Ok(());
    }
    let switched = vec!["mute_emails".into(), "pause_scheduler".into()];
    let mark = CopyMark { id: random_id(), why: "restored from a backup of it".into(), of, switched };
    volume.write_copy_mark(&mark)
}

/// Deletes the site's keys in the cache: they are of another database.
pub async fn forget_caches(context: &Context<'_>, database: &str) {
    let Some(caches) = Caches::of(&context.pod.config, database) else { return };
    if let Err(reason) = caches.forget_site().await {
        tracing::warn!(
            event = "restore.cache_not_cleared",
            reason,
            "cannot clear the site's cache: run `exec -- bench clear-cache` before it is used"
        );
    }
}
