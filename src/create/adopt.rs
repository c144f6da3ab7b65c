//! Recreates the folder of a complete site that the operator declares lost (CAULDRON_ADOPT).

use std::fs;

use crate::leader::context::Context;
use crate::outcome::{Fault, Result};

/// The folders of a site, as in `frappe.installer.make_site_dirs`.
const FOLDERS: [&str; 5] = ["private/backups", "private/files", "public/files", "locks", "logs"];

/// Creates an empty folder. The lost contents are not restored: uploaded files, and the key that encrypts the site's
/// saved passwords.
pub fn make_folder(context: &Context<'_>) -> Result<()> {
    let folder = context.pod.bench.site(context.site);
    for name in FOLDERS {
        let path = folder.join(name);
        fs::create_dir_all(&path)
            .map_err(|error| Fault::file(format!("cannot create {}", path.display()), &error))?;
    }
    tracing::warn!(
        event = "site.folder_recreated",
        folder = %folder.display(),
        key_given = context.pod.config.encryption_key.is_some(),
        "created an empty folder for a complete site: its uploaded files are missing, and its saved passwords cannot \
         be read without the old ENCRYPTION_KEY"
    );
    Ok(())
}
