//! The chart's objects, as Helm renders them for these tests.

use std::path::Path;

use serde_json::Value;

use crate::made::FRAPPE;
use crate::podman::repository;
use crate::support::skip::skipped;

/// Nobody's: not the image's user, not in its passwd.
pub const UID: u32 = 123_456;

/// What Helm renders for the default values, with the image of these tests and a user that nobody has heard of.
pub fn rendered(test: &str, values: &[&Path], words: &[String]) -> Option<Vec<Value>> {
    let helm = repository().join("target/tools/helm");
    if !helm.exists() {
        skipped(test, "no helm (make install-images)");
        return None;
    }
    let output = std::process::Command::new(helm)
        .args(["template", "erp", "charts/cauldron-frappe", "--namespace=cauldron"])
        .args(values.iter().map(|file| format!("--values={}", file.display())))
        .arg(format!(
            "--set=frappe.image.repository={FRAPPE},frappe.image.tag=latest,global.imagePullPolicy=Never"
        ))
        .arg(format!("--set-json=frappe.podSecurityContext.runAsUser={UID}"))
        .args([
            "--set-json=frappe.podSecurityContext.runAsGroup=0",
            "--set-json=frappe.podSecurityContext.fsGroup=0",
        ])
        .args(words)
        .current_dir(repository())
        .output()
        .expect("helm runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let read = |document| <Value as serde::Deserialize>::deserialize(document).expect("YAML");
    Some(serde_yaml_ng::Deserializer::from_str(&text).map(read).collect())
}
