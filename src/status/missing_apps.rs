//! Installed apps that cannot be imported in this pod: requests get 500 and jobs of these apps fail
//! (docs/frappe-contract.md#disagreeing-app-lists), so the pod is not ready.

use super::handle::StatusHandle;

impl StatusHandle {
    /// Sets the missing apps, and logs a change.
    pub fn publish_missing_apps(&self, missing: &[String]) {
        if self.read().missing_apps == missing {
            return;
        }
        let apps = missing.join(", ");
        if missing.is_empty() {
            tracing::info!(event = "app.imports_restored", "all installed apps can be imported");
        } else {
            tracing::error!(
                event = "app.not_importable",
                apps,
                hint = "use an image or app list with these apps, or uninstall them with such an image",
                "apps that are installed on the site cannot be imported in this pod; the pod is not ready"
            );
        }
        self.update(|status| status.missing_apps = missing.to_vec());
    }
}
