//! The folder of a complete site, made anew where the operator says that it is lost (CAULDRON_ADOPT).

use std::fs;

use crate::leader::context::Context;
use crate::outcome::{Fault, Result};

/// Frappe's own list (`frappe.installer.make_site_dirs`).
const FOLDERS: [&str; 5] = ["private/backups", "private/files", "public/files", "locks", "logs"];

/// What was in it is not brought back: uploaded files, and the key that the site's saved passwords
/// are encrypted with.
pub fn make_folder(context: &Context<'_>) -> Result<()> {
    let folder = context.pod.bench.site(context.site);
    for name in FOLDERS {
        let path = folder.join(name);
        fs::create_dir_all(&path)
            .map_err(|error| Fault::file(format!("cannot make {}", path.display()), &error))?;
    }
    tracing::warn!(
        folder = %folder.display(),
        key_given = context.pod.config.encryption_key.is_some(),
        "made an empty folder for a site that is complete: uploaded files are not in it, and without the old \
         ENCRYPTION_KEY its saved passwords cannot be read"
    );
    Ok(())
}
