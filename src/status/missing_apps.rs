//! Installed apps that cannot be imported in this pod: requests answer 500, jobs of them fail
//! (docs/frappe-contract.md#disagreeing-app-lists), so it is not ready.

use super::handle::StatusHandle;

impl StatusHandle {
    /// Which they are now; one line in the log for each change.
    pub fn tell_missing_apps(&self, missing: &[String]) {
        if self.read().missing_apps == missing {
            return;
        }
        let apps = missing.join(", ");
        if missing.is_empty() {
            tracing::info!("every installed app can be imported now");
        } else {
            tracing::error!(
                apps,
                "installed on the site and not importable in this pod: not ready until it is; use the image or the \
                 list of wanted apps that has it, or uninstall it with one that has"
            );
        }
        self.update(|status| status.missing_apps = missing.to_vec());
    }
}
