//! The Secrets of a release: as podman has them, for variables, and as a kubelet writes them, for volumes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine;
use serde_json::{Value, json};

use crate::podman::{command, output};

/// The content of a Secret.
pub type Keys = BTreeMap<String, String>;

pub fn keys(pairs: &[(&str, &str)]) -> Keys {
    pairs.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
}

/// A Secret's folder in pods.
struct Mount {
    secret: String,
    folder: PathBuf,
    /// `None`: all keys.
    items: Option<Vec<String>>,
    mode: u32,
}

/// The Secrets of a release.
pub struct Secrets {
    content: BTreeMap<String, Keys>,
    root: tempfile::TempDir,
    mounts: Vec<Mount>,
}

impl Secrets {
    pub fn new(content: BTreeMap<&'static str, Keys>) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
        let mut secrets = Self { content: BTreeMap::new(), root, mounts: Vec::new() };
        for (name, keys) in content {
            secrets.set(name, keys);
        }
        secrets
    }

    pub fn get(&self, name: &str) -> Option<&Keys> {
        self.content.get(name)
    }

    /// Creates or changes one. Pods that run see it in their volumes, and not in their variables.
    pub fn set(&mut self, name: &str, keys: Keys) {
        output(&["secret", "rm", name]);
        // podman 4.3 reads a Secret's keys back from JSON only.
        let encode = |text: &String| base64::engine::general_purpose::STANDARD.encode(text);
        let data: serde_json::Map<String, Value> =
            keys.iter().map(|(key, text)| (key.clone(), encode(text).into())).collect();
        let mut create = command("podman")
            .args(["secret", "create", name, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("podman runs");
        let text = Value::Object(data).to_string();
        create.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("a secret");
        assert!(create.wait().expect("an end").success(), "no secret {name}");
        for mount in self.mounts.iter().filter(|mount| mount.secret == name) {
            mount.write(&keys);
        }
        self.content.insert(name.to_owned(), keys);
    }

    /// podman 4.3 has no volumes of Secrets: each is a folder with what a kubelet writes there. So is the volume of a CSI
    /// driver, whose class is called as the Secret of this test.
    pub fn mount(&mut self, pod: &mut Value) {
        for volume in pod["spec"]["volumes"].as_array_mut().expect("volumes") {
            let class = &volume["csi"]["volumeAttributes"]["secretProviderClass"];
            let Some(name) = volume["secret"]["secretName"].as_str().or(class.as_str()) else { continue };
            let keys = self.content.get(name).unwrap_or_else(|| panic!("no Secret {name}"));
            let items = volume["secret"]["items"].as_array().map(|items| {
                let as_it_is = items.iter().filter(|item| item["key"] == item["path"]);
                as_it_is.filter_map(|item| item["key"].as_str().map(str::to_owned)).collect()
            });
            let mode = volume["secret"]["defaultMode"].as_u64().unwrap_or(0o644);
            let folder = self.root.path().join(volume["name"].as_str().expect("a name"));
            // A pod that runs may be reading it.
            if !folder.exists() {
                fs::create_dir(&folder).expect("a folder");
                let mode = u32::try_from(mode).expect("a mode");
                let mount = Mount { secret: name.to_owned(), folder: folder.clone(), items, mode };
                mount.write(keys);
                self.mounts.push(mount);
            }
            *volume = json!({"name": volume["name"], "hostPath": {"path": folder, "type": "Directory"}});
        }
    }

    pub fn remove(&self) {
        for name in self.content.keys() {
            output(&["secret", "rm", name]);
        }
    }
}

impl Mount {
    /// As a kubelet: a file is whole at each moment.
    fn write(&self, keys: &Keys) {
        let is_wanted = |key: &String| self.items.as_ref().is_none_or(|items| items.contains(key));
        for (key, text) in keys.iter().filter(|(key, _)| is_wanted(key)) {
            let (file, new) = (self.folder.join(key), self.folder.join(format!("..{key}")));
            write(&new, text, self.mode);
            fs::rename(new, file).expect("a file");
        }
    }
}

fn write(file: &Path, text: &str, mode: u32) {
    fs::write(file, text).expect("a file");
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).expect("its mode");
}
