//! The dumps from before migrations (`CAULDRON_MIGRATE_BACKUPS`), which are on the volume alone until a backup takes them
//! along. They are compressed, so that restic finds nothing to share in them, and are kept for 14 days.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;

use super::site::Site;
use crate::backups::id::BackupId;
use crate::backups::tags::{Part, Tags, Why};
use crate::outcome::Flow;
use crate::pod::Pod;
use crate::restic::{Restic, Source};

const DOING: &str = "cannot save a dump from before a migration in";
const ENDING: &str = ".dump";

/// Saves those that the repository does not have.
///
/// # Errors
/// 75 if restic fails; a signal. The backup itself is complete by then.
pub async fn save(pod: &Pod, restic: &Restic<'_>, site: &Site, there: &BTreeSet<String>) -> Flow<()> {
    let folder = pod.bench.cauldron_site(&site.name).join("backups");
    let names = fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| name.ends_with(ENDING) && !name.contains(',') && !there.contains(name));
    names.sort();
    for name in names {
        let tags = Tags {
            why: Some(Why::BeforeMigration),
            dump: Some(name.clone()),
            ..Tags::new(
                &BackupId::new(Timestamp::now(), rand::random()),
                Part::Migration,
                &site.name,
                &site.installation,
            )
        };
        let source = Source::Paths { folder: folder.clone(), paths: vec![PathBuf::from(&name)] };
        let saving = restic.save(source, &tags.words(), &site.name)?;
        let saved = restic.finish(DOING, &saving).await?;
        tracing::info!(
            event = "backup.dump_saved",
            dump = name,
            snapshot = saved.id.short(),
            added_bytes = saved.added_bytes,
            "saved a dump from before a migration"
        );
    }
    Ok(())
}
