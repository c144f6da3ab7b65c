//! `backup forget [--yes]`: shows which backups go, and removes them with `--yes`.

use serde_json::json;

use crate::cli::Format;
use crate::outcome::{DONE, Flow};
use crate::pod::Pod;
use crate::restic::Restic;
use crate::take_backup::forget::{self, Plan};
use crate::telemetry;

/// # Errors
/// 65 if there is no repository, 75 while a backup runs; as `Restic::open`.
pub async fn forget(pod: &Pod, yes: bool, format: Format) -> Flow<u8> {
    let restic = Restic::of(pod)?;
    let plan = forget::plan(pod, &restic).await?;
    telemetry::print(&match format {
        Format::Text => text(&plan, yes),
        Format::Json => format!("{}\n", json(&plan, yes)),
    });
    if yes {
        // Also if nothing goes: a killed one may have left its lock, and data that no snapshot has.
        forget::act(&restic, &plan).await?;
    }
    Ok(DONE)
}

fn text(plan: &Plan, yes: bool) -> String {
    let mut text = String::new();
    for (id, kept_for) in &plan.backups {
        let what = if kept_for.is_empty() {
            "remove".to_string()
        } else {
            format!("keep    {}", kept_for.join(", "))
        };
        text.push_str(&format!("{id}  {what}\n"));
    }
    if plan.others > 0 {
        text.push_str(&format!(
            "and {} snapshots that belong to no complete backup, or are too old\n",
            plan.others
        ));
    }
    match (plan.is_empty(), yes) {
        (true, _) => text.push_str("nothing to remove\n"),
        (false, false) => text.push_str("nothing was removed: add --yes to remove them\n"),
        (false, true) => {}
    }
    text
}

fn json(plan: &Plan, yes: bool) -> serde_json::Value {
    let backup = |(id, kept_for): &(_, Vec<&str>)| json!({"id": id, "kept_for": kept_for, "goes": kept_for.is_empty()});
    json!({"backups": plan.backups.iter().map(backup).collect::<Vec<_>>(), "others": plan.others, "acts": yes})
}
