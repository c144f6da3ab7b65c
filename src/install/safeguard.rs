//! Before `--force`, and before an app goes, on a site that people may have worked with: a backup. The
//! first writes an app's DocTypes and permissions anew, over what an administrator changed in them.

use super::Work;
use crate::frappe::command::PasswordFile;
use crate::outcome::Stopped;

/// Frappe's own backup, in `sites/<site>/private/backups`.
///
/// # Errors
/// 75 where it fails: then nothing is changed.
pub async fn back_up(work: &Work<'_>, before: &str) -> Result<(), Stopped> {
    tracing::info!(before, "backing up");
    let file = PasswordFile::write(work.context.runtime_dir, work.database, work.password)?;
    super::run(work, "backup", vec!["backup"], Some(file.path())).await
}
