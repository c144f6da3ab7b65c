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

fn gpg(home: &Path, words: &[&str]) -> Vec<u8> {
    let output = Command::new("gpg").args(["--batch", "--homedir"]).arg(home).args(words).output();
    let output = output.expect("gpg runs (make install-images)");
    succeeds(&output);
    output.stdout
}

#[test]
fn a_key_signs_it() {
    const TEST: &str = "a_key_signs_it";
    let home = tempfile::tempdir().expect("a folder");
    let gpg = |words: &[&str]| gpg(home.path(), words);
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
    // The control: another archive is not the signed one.
    let mut other = std::fs::read(&archive).expect("the archive");
    other.push(0);
    std::fs::write(&archive, other).expect("a file");
    assert!(!verify().status.success());
}

/// Variables, and the exit code and the sentence that they give.
type Case<'a> = (&'a [(&'a str, &'a str)], i32, &'a str);

fn key(name: &str) -> (&str, &str) {
    ("HELM_SIGN_KEY", name)
}

fn keyring(file: &str) -> (&str, &str) {
    ("HELM_SIGN_KEYRING", file)
}

fn phrase(file: &str) -> (&str, &str) {
    ("HELM_SIGN_PASSPHRASE_FILE", file)
}

/// It would look like a release without a key.
#[test]
fn nothing_is_left_of_an_archive_that_cannot_be_signed() {
    const TEST: &str = "nothing_is_left_of_an_archive_that_cannot_be_signed";
    let home = tempfile::tempdir().expect("a folder");
    let [secret, empty, none] =
        ["secret.gpg", "empty.gpg", "none"].map(|name| home.path().join(name).display().to_string());
    let gpg = |words: &[&str]| gpg(home.path(), words);
    let passphrase = ["--pinentry-mode", "loopback", "--passphrase", "right"];
    gpg(&[&passphrase[..], &["--quick-generate-key", "Test <test@example.com>", "rsa3072", "sign", "never"]]
        .concat());
    std::fs::write(&secret, gpg(&[&passphrase[..], &["--export-secret-keys"]].concat())).expect("a file");
    std::fs::write(&empty, "").expect("a file");
    let [right, wrong] = ["right", "wrong"].map(|passphrase| {
        let file = home.path().join(passphrase);
        std::fs::write(&file, passphrase).expect("a file");
        file.display().to_string()
    });
    let cases: [Case; 8] = [
        (&[key("Test")], 64, "HELM_SIGN_KEY needs HELM_SIGN_KEYRING"),
        (&[keyring(&secret)], 64, "nothing would be signed"),
        (&[key("Test"), keyring(&none)], 66, "HELM_SIGN_KEYRING"),
        (&[key("Test"), keyring(&secret), phrase(&none)], 66, "HELM_SIGN_PASSPHRASE_FILE"),
        (&[key("Test"), keyring(&empty)], 65, "helm package"),
        (&[key("Other"), keyring(&secret), phrase(&right)], 65, "private key not found"),
        (&[key("Test"), keyring(&secret), phrase(&wrong)], 65, "HELM_SIGN_PASSPHRASE_FILE its passphrase"),
        (&[key("Test"), keyring(&secret)], 65, "HELM_SIGN_PASSPHRASE_FILE its passphrase"),
    ];
    for (variables, code, sentence) in cases {
        let Some((folder, output)) = packed(TEST, variables) else { return };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(code) && said.contains(sentence), "{variables:?}: {output:?}");
        assert_eq!(said.lines().count(), 1, "a sentence, not a traceback: {said}");
        assert!(std::fs::read_dir(folder.path()).expect("a folder").next().is_none(), "{variables:?}");
    }
    // The control: with the right passphrase it is signed.
    let signed = [key("Test"), keyring(&secret), phrase(&right)];
    let (folder, output) = packed(TEST, &signed).expect("Helm");
    succeeds(&output);
    file(folder.path(), ".prov");
}
