//! What the snapshot of the files contains: restic lists it, so that the manifest says what is there and not what was
//! there before.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use super::files::{PRIVATE, PUBLIC};
use crate::backups::manifest::{Amount, Files};
use crate::outcome::Flow;
use crate::restic::{OnLine, Restic, SnapshotId};

/// A line of `restic ls --json`.
#[derive(Deserialize)]
struct Node {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    size: u64,
}

/// The number of regular files in both folders, and their size.
///
/// # Errors
/// The fault of the repository; a signal.
pub async fn read(restic: &Restic<'_>, snapshot: &SnapshotId, site: &str) -> Flow<Files> {
    let [public, private] = [PUBLIC, PRIVATE].map(|part| format!("/{site}/{part}/"));
    let amounts = Arc::new(Mutex::new([Amount::default(); 2]));
    let counted = amounts.clone();
    let on_line: OnLine = Arc::new(move |line: &str| {
        let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
        count(line, [&public, &private], &mut counted);
    });
    restic.list_files(snapshot, on_line).await?;
    let [public, private] = *amounts.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Files { snapshot: snapshot.0.clone(), public, private })
}

fn count(line: &str, folders: [&str; 2], amounts: &mut [Amount; 2]) {
    let Ok(node) = serde_json::from_str::<Node>(line) else { return };
    for (folder, amount) in folders.iter().zip(amounts) {
        if node.kind == "file" && node.path.starts_with(folder) {
            amount.count += 1;
            amount.bytes += node.size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_files_are_counted_by_folder() {
        let mut amounts = [Amount::default(); 2];
        for line in [
            r#"{"time":"2026-11-30T01:54:33Z","struct_type":"snapshot"}"#,
            r#"{"name":"files","type":"dir","path":"/s/public/files","struct_type":"node"}"#,
            r#"{"name":"a","type":"file","path":"/s/public/files/a","size":3,"struct_type":"node"}"#,
            r#"{"name":"e","type":"file","path":"/s/public/files/e","struct_type":"node"}"#,
            r#"{"name":"l","type":"symlink","path":"/s/private/files/l","struct_type":"node"}"#,
            r#"{"name":"b","type":"file","path":"/s/private/files/x/b","size":4,"struct_type":"node"}"#,
            r#"{"name":"c","type":"file","path":"/s/site_config.json","size":9,"struct_type":"node"}"#,
        ] {
            count(line, ["/s/public/files/", "/s/private/files/"], &mut amounts);
        }
        assert_eq!(amounts, [Amount { count: 2, bytes: 3 }, Amount { count: 1, bytes: 4 }]);
    }
}
