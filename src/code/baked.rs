//! Reads the digest that was made with a bundle, at image build time or when it was published. A bundle never changes,
//! so none of its files has to be read again.

use std::fs;
use std::path::Path;

use crate::apps::bundle::Bundle;
use crate::fingerprint::RULES_VERSION;

/// The bundle that contains the package.
pub fn bundle(package: &Path) -> Option<Bundle> {
    // Running pods reach a new app through a link (apps::shared_apps).
    let package = fs::canonicalize(package).ok()?;
    Bundle::open(package.parent()?.parent()?).ok()
}

/// The digest in the manifest; None if it was made by other rules.
pub fn digest(bundle: &Bundle) -> Option<String> {
    bundle.manifest.fingerprint.as_ref()?.strip_prefix(RULES_VERSION).map(str::to_string)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fingerprint::{cache, manifest_digest};

    #[test]
    fn the_digest_in_a_manifest_equals_a_computed_one() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("source/shop");
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("hooks.py"), "app_name = 'shop'").unwrap();
        let digest = |package: &Path| super::digest(&bundle(package)?);
        assert_eq!(digest(&package), None, "no bundle");
        let made = cache::digest(&folder.path().join("kept"), &package, false).unwrap();
        let manifest = |fingerprint: &str| {
            let manifest = json!({
                "app": "shop", "version": "1.0.0", "commit": "c", "abi": "cpython-311", "arch": "x86_64",
                "requirements": [], "has_bundles": false, "built_assets": false, "required_apps": [],
                "fingerprint": fingerprint,
            });
            fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
        };
        manifest(&manifest_digest(&package).unwrap());
        assert_eq!(digest(&package), Some(made));
        manifest("0:abc");
        assert_eq!(digest(&package), None, "other rules");
    }
}
