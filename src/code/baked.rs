//! The digest that was made with a bundle, at build time or when it was published: a bundle never changes, so
//! none of its files is looked at again.

use std::fs;
use std::path::Path;

use crate::apps::bundle::Bundle;
use crate::fingerprint::RULES;

/// The bundle that the package is in.
pub fn bundle(package: &Path) -> Option<Bundle> {
    // Running pods have it by a link (apps::live).
    let package = fs::canonicalize(package).ok()?;
    Bundle::open(package.parent()?.parent()?).ok()
}

/// None where it was made by other rules.
pub fn digest(bundle: &Bundle) -> Option<String> {
    bundle.manifest.fingerprint.as_ref()?.strip_prefix(RULES).map(str::to_string)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fingerprint::{baked_digest, cache};

    #[test]
    fn a_bundles_own_digest_is_what_would_be_made_of_it() {
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
        manifest(&baked_digest(&package).unwrap());
        assert_eq!(digest(&package), Some(made));
        manifest("0:abc");
        assert_eq!(digest(&package), None, "other rules");
    }
}
