//! The chart's pods as they are rendered, under `podman kube play`, on an empty claim.
//!
//! Not as in a cluster: Services are the pods' own names, fsGroup is done by hand, probes are the test's (kubelet.rs), and a
//! Job is played as its pod.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::made::FRAPPE;
use crate::pod::pod_of;
use crate::podman::{address, command, exit, log, output, podman, repository};
use crate::servers::{PASSWORD, Servers, Setup};
use crate::support::skip::skipped;
use crate::support::wait::eventually;

pub const ROLES: [&str; 4] = ["web", "worker", "scheduler", "socketio"];
pub const SITE: &str = "cauldron.local";
/// Nobody's: not the image's user, not in its passwd.
pub const UID: u32 = 123_456;
pub const SECRET: &str = "cauldron-secrets";

/// The content of a Secret.
pub type Keys = BTreeMap<&'static str, String>;

pub fn keys(pairs: &[(&'static str, &str)]) -> Keys {
    pairs.iter().map(|(key, text)| (*key, (*text).to_owned())).collect()
}

/// A release, removed when dropped.
pub struct Installation {
    pub servers: Servers,
    objects: Vec<Value>,
    image: &'static str,
    secrets: BTreeMap<&'static str, Keys>,
    /// Volumes of Secrets and of CSI drivers, as a kubelet would write them.
    mounted: tempfile::TempDir,
}

impl Installation {
    /// The default values as an arbitrary uid; its claim is there, and empty. `None`, told by name, without Helm.
    pub fn new(test: &str, name: &str) -> Option<Self> {
        let keys = keys(&[("db-root-password", PASSWORD), ("admin-password", "admin")]);
        Self::of(test, name, &[], &Setup::default(), [(SECRET, keys)].into())
    }

    /// The values in these files, with these servers and Secrets.
    pub fn of(
        test: &str,
        name: &str,
        values: &[&Path],
        setup: &Setup,
        secrets: BTreeMap<&'static str, Keys>,
    ) -> Option<Self> {
        let objects = rendered(test, values, &[])?;
        let mounted = tempfile::tempdir().expect("a folder");
        let installation =
            Self { servers: Servers::with(name, setup), objects, image: FRAPPE, secrets, mounted };
        installation.remove();
        for (name, keys) in &installation.secrets {
            // podman 4.3 reads a Secret's keys back from JSON only.
            let keys: serde_json::Map<String, Value> =
                keys.iter().map(|(key, text)| ((*key).to_owned(), encode(text).into())).collect();
            let mut create = command("podman")
                .args(["secret", "create", name, "-"])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .expect("podman runs");
            let text = Value::Object(keys).to_string();
            create.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("a secret");
            assert!(create.wait().expect("an end").success(), "no secret {name}");
        }
        installation.claim();
        Some(installation)
    }

    /// The same with another image for every pod.
    pub fn on(mut self, image: &'static str) -> Self {
        self.image = image;
        self
    }

    /// As a cluster has it: the volume hides what the image has there, and is the pods' group's (fsGroup). podman would fill
    /// an empty one from the image; a disk of its own is not empty.
    fn claim(&self) {
        let claim = self.objects.iter().find(|object| object["kind"] == "PersistentVolumeClaim");
        self.play(claim.expect("a claim"), &[]);
        as_a_disk(&self.volume());
    }

    /// Another claim, whose name begins with `erp-`.
    pub fn claim_of_name(&self, name: &str) {
        podman(&["volume", "create", name]);
        as_a_disk(podman(&["volume", "inspect", "--format={{.Mountpoint}}", name]).as_ref());
    }

    /// Where the claim is on this machine.
    pub fn volume(&self) -> PathBuf {
        let name = "erp-cauldron-frappe-data";
        podman(&["volume", "inspect", "--format={{.Mountpoint}}", name]).into()
    }

    #[track_caller]
    fn play(&self, object: &Value, options: &[&str]) {
        self.try_play(object, options).expect("podman plays it");
    }

    fn try_play(&self, object: &Value, options: &[&str]) -> Result<(), String> {
        let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a file");
        file.write_all(object.to_string().as_bytes()).expect("a file");
        let network = format!("--network={}", self.servers.network);
        let path = file.path().to_str().expect("a path");
        let played =
            output(&[&["kube", "play", &network, "--log-driver=k8s-file"], options, &[path]].concat());
        if played.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&played.stderr).into_owned())
        }
    }

    /// A Deployment's or Job's pod, or the one of `helm test`.
    pub fn pod(&self, role: &str) -> Value {
        let is_it = |object: &&Value| {
            ["Deployment", "Job", "Pod"].iter().any(|kind| object["kind"] == *kind)
                && object["metadata"]["labels"]["app.kubernetes.io/component"] == role
        };
        let object = self.objects.iter().find(is_it).expect("a role");
        if object["kind"] == "Pod" {
            return object.clone();
        }
        pod_of(object)
    }

    /// The chart's objects with these values, in the words of Helm's command line.
    pub fn upgraded(&self, words: &[String]) -> Vec<Value> {
        rendered("", &[], words).expect("Helm is there")
    }

    /// The pod of a role, called as its Service.
    pub fn start(&self, role: &str) -> Played {
        let address = self.services().into_iter().find(|(_, service)| *service == service_of(role));
        let address = address.map(|(address, _)| format!("--ip={address}"));
        self.play_pod(role, service_of(role), self.image, address.as_deref())
    }

    /// What `helm test` runs, and each check's line.
    #[track_caller]
    pub fn passes_helm_test(&self) {
        let test = self.start("test");
        let code = test.end(Duration::from_secs(180));
        let said = test.log();
        assert_eq!(code, 0, "{said}");
        for check in ["open site", "web port", "login page", "job", "live event"] {
            let is_it = |line: &str| line.starts_with("ok ") && line.contains(check);
            assert!(said.lines().any(is_it), "no {check}: {said}");
        }
    }

    /// Another of the same role, beside it, with another image.
    pub fn start_with(&self, role: &str, image: &str, name: &str) -> Played {
        self.play_pod(role, format!("{}-{name}", service_of(role)), image, None)
    }

    /// The address of each role's Service: its first pod's.
    pub fn services(&self) -> Vec<(String, String)> {
        let roles = (110..).zip(ROLES);
        roles.map(|(number, role)| (self.servers.address(number), service_of(role))).collect()
    }

    fn play_pod(&self, role: &str, name: String, image: &str, address: Option<&str>) -> Played {
        self.play_this(self.pod(role), name, image, address)
    }

    #[track_caller]
    fn play_this(&self, pod: Value, name: String, image: &str, address: Option<&str>) -> Played {
        self.try_pod(pod, name, image, address).expect("podman plays the pod")
    }

    /// Any pod, as podman takes it.
    ///
    /// # Errors
    /// An init container failed, or podman did.
    pub fn try_pod(
        &self,
        mut pod: Value,
        name: String,
        image: &str,
        address: Option<&str>,
    ) -> Result<Played, String> {
        output(&["pod", "rm", "--force", "--time=0", &name]);
        let main = pod["spec"]["containers"][0]["name"].as_str().expect("a name").to_owned();
        self.mount_secrets(&mut pod);
        let mut pod = for_podman(pod, &name, image, &self.servers.dns);
        let services = self.services().into_iter().map(|(address, service)| (address, vec![service]));
        let hosts = self.servers.hosts.iter().cloned().chain(services);
        pod["spec"]["hostAliases"] =
            hosts.map(|(ip, hostnames)| json!({"ip": ip, "hostnames": hostnames})).collect();
        self.try_play(&pod, &address.into_iter().collect::<Vec<_>>())?;
        Ok(Played { container: format!("{name}-{main}"), pod: name })
    }

    /// podman 4.3 has no volumes of Secrets: each is a folder with what a kubelet writes there. So is the volume of a CSI
    /// driver, whose class is called as the Secret of this test.
    fn mount_secrets(&self, pod: &mut Value) {
        for volume in pod["spec"]["volumes"].as_array_mut().expect("volumes") {
            let class = &volume["csi"]["volumeAttributes"]["secretProviderClass"];
            let Some(name) = volume["secret"]["secretName"].as_str().or(class.as_str()) else { continue };
            let keys = self.secrets.get(name).unwrap_or_else(|| panic!("no Secret {name}"));
            let items = volume["secret"]["items"].as_array().cloned();
            let is_wanted = |key: &str| {
                items
                    .as_ref()
                    .is_none_or(|items| items.iter().any(|item| item["key"] == key && item["path"] == key))
            };
            let mode = volume["secret"]["defaultMode"].as_u64().unwrap_or(0o644);
            let folder = self.mounted.path().join(volume["name"].as_str().expect("a name"));
            std::fs::create_dir_all(&folder).expect("a folder");
            for (key, text) in keys.iter().filter(|(key, _)| is_wanted(key)) {
                let file = folder.join(key);
                // A pod that runs may be reading it.
                if file.exists() {
                    continue;
                }
                std::fs::write(&file, text).expect("a file");
                let mode = std::os::unix::fs::PermissionsExt::from_mode(u32::try_from(mode).expect("a mode"));
                std::fs::set_permissions(&file, mode).expect("its mode");
            }
            *volume = json!({"name": volume["name"], "hostPath": {"path": folder, "type": "Directory"}});
        }
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(self.mounted.path(), mode).expect("its mode");
    }

    fn remove(&self) {
        let pods = podman(&["pod", "ls", "--format={{.Name}}", "--filter=name=^erp-"]);
        for pod in pods.lines() {
            output(&["pod", "rm", "--force", "--time=0", pod]);
        }
        let volumes = podman(&["volume", "ls", "--quiet", "--filter=name=^erp-"]);
        for volume in volumes.lines() {
            output(&["volume", "rm", "--force", volume]);
        }
        for name in self.secrets.keys() {
            output(&["secret", "rm", name]);
        }
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        self.remove();
    }
}

fn as_a_disk(root: &Path) {
    std::fs::create_dir(root.join("lost+found")).expect("a folder of the volume");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o2775);
    std::fs::set_permissions(root, mode).expect("the volume's mode");
}

/// A pod that was played.
pub struct Played {
    pub pod: String,
    /// The role's own.
    pub container: String,
}

impl Played {
    pub fn address(&self, port: u16) -> SocketAddr {
        address(&podman(&["pod", "inspect", "--format={{.InfraContainerID}}", &self.pod]), port)
    }

    pub fn log(&self) -> String {
        log(&self.container)
    }

    pub fn started_at(&self) -> String {
        podman(&["inspect", "--type=container", "--format={{.State.StartedAt}}", &self.container])
    }

    /// Its exit code, when it is there.
    #[track_caller]
    pub fn end(&self, deadline: Duration) -> i32 {
        eventually(deadline, &format!("the end of {}", self.pod), || exit(&self.container))
    }

    #[track_caller]
    pub fn runs(&self) {
        assert_eq!(exit(&self.container), None, "{}: {}", self.pod, self.log());
    }
}

/// What Helm renders for the default values, with the image of these tests and a user that nobody has heard of.
fn rendered(test: &str, values: &[&Path], words: &[String]) -> Option<Vec<Value>> {
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

/// podman 4.3 takes these otherwise than a kubelet: an emptyDir is a volume that all pods share by its name, a port is
/// taken on the host, and a restart policy holds for init containers too.
fn for_podman(mut pod: Value, name: &str, image: &str, dns: &str) -> Value {
    pod["metadata"]["name"] = name.into();
    let spec = pod["spec"].as_object_mut().expect("a spec");
    spec.insert("restartPolicy".into(), "Never".into());
    spec.insert("dnsPolicy".into(), "None".into());
    spec.insert("dnsConfig".into(), json!({"nameservers": [dns]}));
    let own = |volume: &Value| Value::from(format!("{name}-{}", volume.as_str().expect("a name")));
    let mut empty = Vec::new();
    for volume in spec["volumes"].as_array_mut().expect("volumes") {
        if !volume["emptyDir"].is_null() {
            empty.push(volume["name"].clone());
            volume["name"] = own(&volume["name"]);
        }
    }
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let container = container.as_object_mut().expect("a container");
            container.remove("ports");
            container.insert("image".into(), image.into());
            for mount in container["volumeMounts"].as_array_mut().expect("mounts") {
                if empty.contains(&mount["name"]) {
                    mount["name"] = own(&mount["name"]);
                }
            }
        }
    }
    pod
}

fn service_of(role: &str) -> String {
    format!("erp-cauldron-frappe-{role}")
}

fn encode(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}
