//! Removes old backups of this installation's site: shows them first, and removes them on request.

use jiff::{SignedDuration, Timestamp};

use super::repository::{contents, open_existing};
use crate::backups::id::BackupId;
use crate::backups::list::{Backup, Contents};
use crate::backups::retention::decide;
use crate::outcome::refusal::Refusal;
use crate::outcome::{Fault, Flow, Result};
use crate::pod::Pod;
use crate::record::volume::Volume;
use crate::restic::{Restic, SnapshotId};

/// How long the repository keeps a dump from before a migration.
const DUMPS_KEPT_FOR: SignedDuration = SignedDuration::from_hours(14 * 24);

/// What is kept, and what goes.
#[derive(Debug, Default)]
pub struct Plan {
    /// Each backup of the site with the reasons for which it is kept; without one it goes.
    pub backups: Vec<(BackupId, Vec<&'static str>)>,
    /// Parts of backups that were not finished, and dumps that are too old.
    pub others: usize,
    /// The manifests of the backups that go.
    first: Vec<SnapshotId>,
    then: Vec<SnapshotId>,
}

impl Plan {
    /// True if nothing goes.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty() && self.then.is_empty()
    }
}

/// Decides what goes.
///
/// # Errors
/// 65 if there is no repository, 78 if this volume has no installation; as [`Restic::open`].
pub async fn plan(pod: &Pod, restic: &Restic<'_>) -> Flow<Plan> {
    open_existing(restic).await?;
    let (site, installation) = whose(pod)?;
    let contents = contents(restic).await?;
    Ok(of(&contents, &site, &installation, &pod.config.backup.keep, Timestamp::now()))
}

fn of(
    contents: &Contents,
    site: &str,
    installation: &str,
    keep: &crate::config::backup::keep::Keep,
    now: Timestamp,
) -> Plan {
    let ours: Vec<&Backup> =
        contents.backups.iter().filter(|backup| backup.is_of(site, installation)).collect();
    let mut plan = Plan::default();
    for decision in decide(&ours, keep) {
        if decision.kept_for.is_empty() {
            let mut snapshots = decision.backup.snapshots().map(|id| SnapshotId(id.clone()));
            plan.first.extend(snapshots.next());
            plan.then.extend(snapshots);
        }
        plan.backups.push((decision.backup.id.clone(), decision.kept_for));
    }
    let old = contents.dumps.iter().filter(|dump| now.duration_since(dump.time) >= DUMPS_KEPT_FOR);
    let others = contents.leftovers.iter().chain(old).filter(|tagged| tagged.tags.is_of(site, installation));
    let others: Vec<SnapshotId> = others.map(|tagged| SnapshotId(tagged.snapshot.clone())).collect();
    plan.others = others.len();
    plan.then.extend(others);
    plan
}

/// Removes what the plan says. The manifests go first: a backup that is removed halfway does not count any more.
///
/// # Errors
/// 75 while a backup runs, 77 for credentials that may not delete; a signal.
pub async fn act(restic: &Restic<'_>, plan: &Plan) -> Flow<()> {
    restic.unlock_dead().await?;
    for snapshots in [&plan.first, &plan.then] {
        if !snapshots.is_empty() {
            restic.forget(&snapshots.iter().collect::<Vec<_>>()).await?;
        }
    }
    restic.prune().await?;
    let (backups, others) = (plan.first.len(), plan.others);
    tracing::info!(event = "backup.forgotten", backups, others, "removed old backups");
    Ok(())
}

/// The site, and the installation of this volume.
fn whose(pod: &Pod) -> Result<(String, String)> {
    let site = pod.config.site.clone();
    let site =
        site.ok_or_else(|| Fault::configuration("SITE_NAME is not set", "set it to the site's name"))?;
    let id = Volume::read_only(pod.bench.cauldron_site(&site)).known_install_id()?;
    let id = id.ok_or_else(|| {
        let cause =
            format!("{site} has no installation on this volume, so it is unknown which backups are its own");
        Fault::configuration(cause, "check SITE_NAME, and mount the volume `sites`")
            .named(Refusal::SiteMissing)
    })?;
    Ok((site, id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backups::list::tests::tagged;
    use crate::backups::tags::Part;
    use crate::config::backup::keep::Keep;

    #[test]
    fn only_old_backups_of_this_installation_go() {
        let now = "2026-11-30T00:00:00Z".parse().unwrap();
        let manifest = |day: u32| {
            let id = format!("202611{day:02}T000000Z-00000{}", day % 10);
            tagged(&id, Part::Manifest, "2026-11-01T00:00:00Z", None)
        };
        let mut other = manifest(2);
        other.tags.installation = "other".into();
        let half = tagged("20261101T000000Z-aaaaaa", Part::Database, "2026-11-01T00:00:00Z", None);
        let mut old_dump = half.clone();
        old_dump.tags.part = Part::Migration;
        let mut new_dump = old_dump.clone();
        new_dump.time = "2026-11-20T00:00:00Z".parse().unwrap();
        let snapshots = vec![manifest(1), other, manifest(3), manifest(4), half, old_dump, new_dump];
        let contents = Contents::of(snapshots, now);
        let plan = of(&contents, "s", "i", &Keep::parse("2d").unwrap(), now);
        assert_eq!((plan.backups.len(), plan.first.len(), plan.then.len(), plan.others), (3, 1, 2, 2));
        assert!(plan.backups[0].1.is_empty() && !plan.backups[1].1.is_empty());
        assert!(of(&Contents::default(), "s", "i", &Keep::default(), now).is_empty());
    }
}
