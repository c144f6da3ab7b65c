//! A digest of the code from which Frappe makes its cached hooks and module maps.
//!
//! Two pods may share these caches only if their apps, the versions and the hooks are the same: otherwise the hooks that
//! one pod caches name modules that another lacks (docs/frappe-contract.md#cached-app-lists). `frappe/code_caches.py` puts the
//! digest into the keys.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::fingerprint::hex;

/// The files of an app that Frappe caches, and its version.
const FILES: [&str; 3] = ["__init__.py", "hooks.py", "modules.txt"];
/// The bytes of the digest that keys contain.
const LENGTH: usize = 8;

/// The digest of these packages, in their order, as 16 hexadecimal digits. The folder counts too: that of a bundle names
/// its commit.
pub fn of(packages: impl Iterator<Item = PathBuf>) -> String {
    let mut hash = Sha256::new();
    for package in packages {
        hash.update(package.as_os_str().as_bytes());
        for name in FILES {
            let file = fs::read(package.join(name)).ok();
            hash.update(file.as_ref().map_or(u64::MAX, |bytes| bytes.len() as u64).to_le_bytes());
            hash.update(file.unwrap_or_default());
        }
    }
    hex(&hash.finalize()[..LENGTH])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_hook_module_or_app_changes_the_digest() {
        let folder = tempfile::tempdir().unwrap();
        let shop = folder.path().join("shop");
        fs::create_dir(&shop).unwrap();
        let digest = |apps: &[&str]| of(apps.iter().map(|app| folder.path().join(app)));
        let mut seen = vec![digest(&[]), digest(&["shop"]), digest(&["shop", "till"])];
        for name in FILES {
            fs::write(shop.join(name), "a = 1").unwrap();
            seen.push(digest(&["shop"]));
            fs::write(shop.join(name), "a = 2").unwrap();
            seen.push(digest(&["shop"]));
        }
        assert_eq!(digest(&["shop"]), *seen.last().unwrap());
        assert!(seen.iter().all(|digest| digest.len() == 2 * LENGTH), "{seen:?}");
        let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len(), "{seen:?}");
    }
}
