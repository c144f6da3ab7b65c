//! The chart as a release packs it (tools/pack-chart): an archive, an OCI layout of the same, and with a key a signature.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::helm::{Chart, IMAGE, repository, tool};

/// Packs the chart into a folder; None, with a report, without Helm or the tests' Python.
fn packed(test: &str, variables: &[(&str, &str)]) -> Option<(tempfile::TempDir, Output)> {
    let (helm, python) = (tool(test, "helm")?, tool(test, "python/bin/python")?);
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(python)
        .arg(repository().join("tools/pack-chart"))
        .arg(folder.path())
        .env("HELM", helm)
        .envs(variables.iter().copied())
        .output()
        .expect("pack-chart runs");
    Some((folder, output))
}

#[track_caller]
fn succeeds(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn file(folder: &Path, end: &str) -> PathBuf {
    let files = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let found: Vec<PathBuf> = files.filter(|path| path.display().to_string().ends_with(end)).collect();
    let [one] = &found[..] else { panic!("{found:?} …{end}") };
    one.clone()
}

/// A blob of the layout, which is what its digest says.
#[track_caller]
fn blob(layout: &Path, entry: &Value) -> Vec<u8> {
    let digest = entry["digest"].as_str().and_then(|text| text.strip_prefix("sha256:")).expect("a digest");
    let content = std::fs::read(layout.join("blobs/sha256").join(digest)).expect("a blob");
    let hex: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((hex.as_str(), content.len() as u64), (digest, entry["size"].as_u64().expect("a size")));
    content
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

#[test]
fn the_archive_renders_as_the_folder_and_the_layout_has_it() {
    const TEST: &str = "the_archive_renders_as_the_folder_and_the_layout_has_it";
    let (Some((folder, output)), Some(chart)) = (packed(TEST, &[]), Chart::new(TEST)) else { return };
    succeeds(&output);
    let archive = file(folder.path(), ".tgz");
    let helm = tool(TEST, "helm").expect("Helm");
    let rendered = Command::new(helm)
        .args(["template", "--namespace=cauldron", "erp"])
        .arg(&archive)
        .arg(format!("--set-json=frappe.image.repository=\"{IMAGE}\""))
        .output()
        .expect("helm runs");
    succeeds(&rendered);
    assert_eq!(String::from_utf8_lossy(&rendered.stdout), chart.text());
    let layout = folder.path().join("chart");
    assert_eq!(
        json(&std::fs::read(layout.join("oci-layout")).expect("a file"))["imageLayoutVersion"],
        "1.0.0"
    );
    let index = json(&std::fs::read(layout.join("index.json")).expect("a file"));
    let manifest = json(&blob(&layout, &index["manifests"][0]));
    let about = json(&blob(&layout, &manifest["config"]));
    let name = format!(
        "{}-{}.tgz",
        about["name"].as_str().expect("a name"),
        about["version"].as_str().expect("one")
    );
    assert!(archive.ends_with(&name), "{name}");
    assert_eq!(index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], about["version"]);
    assert_eq!(manifest["layers"].as_array().map(Vec::len), Some(1), "no signature without a key");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.cncf.helm.chart.content.v1.tar+gzip");
    assert!(blob(&layout, &manifest["layers"][0]) == std::fs::read(&archive).expect("the archive"));
}

#[test]
fn a_key_signs_it() {
    const TEST: &str = "a_key_signs_it";
    let home = tempfile::tempdir().expect("a folder");
    let gpg = |words: &[&str]| {
        let output = Command::new("gpg").args(["--batch", "--homedir"]).arg(home.path()).args(words).output();
        let output = output.expect("gpg runs (make install-images)");
        succeeds(&output);
        output.stdout
    };
    gpg(&["--passphrase", "", "--quick-generate-key", "Test <test@example.com>", "rsa3072", "sign", "never"]);
    let [secret, public] = ["secret.gpg", "public.gpg"].map(|name| home.path().join(name));
    std::fs::write(&secret, gpg(&["--export-secret-keys"])).expect("a file");
    std::fs::write(&public, gpg(&["--export"])).expect("a file");
    let keyring = secret.display().to_string();
    let Some((folder, output)) = packed(TEST, &[("HELM_SIGN_KEY", "Test"), ("HELM_SIGN_KEYRING", &keyring)])
    else {
        return;
    };
    succeeds(&output);
    let archive = file(folder.path(), ".tgz");
    let verify = || {
        let helm = tool(TEST, "helm").expect("Helm");
        Command::new(helm)
            .arg("verify")
            .arg(&archive)
            .arg("--keyring")
            .arg(&public)
            .output()
            .expect("helm runs")
    };
    succeeds(&verify());
    let layout = folder.path().join("chart");
    let index = json(&std::fs::read(layout.join("index.json")).expect("a file"));
    let manifest = json(&blob(&layout, &index["manifests"][0]));
    assert_eq!(manifest["layers"][1]["mediaType"], "application/vnd.cncf.helm.chart.provenance.v1.prov");
    assert!(
        blob(&layout, &manifest["layers"][1]) == std::fs::read(file(folder.path(), ".prov")).expect("a file")
    );
    // The controls: another archive is not the signed one, and a key without its file is an error.
    let mut other = std::fs::read(&archive).expect("the archive");
    other.push(0);
    std::fs::write(&archive, other).expect("a file");
    assert!(!verify().status.success());
    let (_, refused) = packed(TEST, &[("HELM_SIGN_KEY", "Test")]).expect("Helm");
    assert!(
        !refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("HELM_SIGN_KEYRING")
    );
}
