//! `backup list`: the backups of the repository, the newest last.

use jiff::Timestamp;
use serde_json::json;

use crate::backups::bytes::{age, size};
use crate::backups::list::{Backup, Contents};
use crate::cli::Format;
use crate::outcome::{DONE, Flow};
use crate::pod::Pod;
use crate::restic::Restic;
use crate::take_backup::{contents, open_existing};
use crate::telemetry;

/// # Errors
/// 65 if there is no repository; as `Restic::open`.
pub async fn list(pod: &Pod, format: Format) -> Flow<u8> {
    let restic = Restic::of(pod)?;
    open_existing(&restic).await?;
    let contents = contents(&restic).await?;
    let now = Timestamp::now();
    telemetry::print(&match format {
        Format::Text => text(&contents, now),
        Format::Json => format!("{}\n", json(&contents, now)),
    });
    Ok(DONE)
}

const HEAD: [&str; 8] = ["ID", "AGE", "SIZE", "CODE", "REASON", "VERIFIED", "SITE", "INSTALLATION"];

fn text(contents: &Contents, now: Timestamp) -> String {
    if contents.backups.is_empty() {
        return "no backups\n".into();
    }
    let mut rows = vec![HEAD.map(String::from)];
    rows.extend(contents.backups.iter().map(|backup| row(backup, now)));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; HEAD.len()] = std::array::from_fn(width);
    let line = |row: &[String; HEAD.len()]| {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn row(backup: &Backup, now: Timestamp) -> [String; HEAD.len()] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let verified = backup.verified.as_ref().map(|verified| {
        format!("{} {} ago", verified.verdict.as_str(), age(now.duration_since(verified.at)))
    });
    [
        backup.id.to_string(),
        age(now.duration_since(backup.id.time())),
        or_dash(backup.size_bytes.map(size)),
        or_dash(backup.code.clone()),
        or_dash(backup.why.map(|why| why.as_str().to_string())),
        verified.unwrap_or_else(|| "no".into()),
        backup.site.clone(),
        backup.installation.clone(),
    ]
}

fn json(contents: &Contents, now: Timestamp) -> serde_json::Value {
    let backup = |backup: &Backup| {
        let verified = backup.verified.as_ref();
        json!({
            "id": backup.id, "taken_at": backup.id.time().to_string(),
            "age_s": now.duration_since(backup.id.time()).as_secs(), "bytes": backup.size_bytes,
            "code": backup.code, "reason": backup.why.map(|why| why.as_str()),
            "verdict": verified.map(|verified| verified.verdict.as_str()),
            "verified_at": verified.map(|verified| verified.at.to_string()),
            "site": backup.site, "installation": backup.installation,
            "snapshots": {"manifest": backup.manifest, "database": backup.database, "files": backup.files},
        })
    };
    json!({"backups": contents.backups.iter().map(backup).collect::<Vec<_>>()})
}
