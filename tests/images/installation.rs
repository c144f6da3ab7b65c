//! The chart's pods as they are rendered, under `podman kube play`, on an empty claim.
//!
//! Not as in a cluster: Services are the pods' own names, fsGroup is done by hand, probes are the test's (kubelet.rs), and a
//! Job is played as its pod.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::made::FRAPPE;
use crate::played::{Played, for_podman};
use crate::pod::pod_of;
use crate::podman::{output, podman};
use crate::rendered::rendered;
use crate::secrets::{Keys, Secrets, keys};
use crate::servers::{PASSWORD, Servers, Setup};

pub const ROLES: [&str; 4] = ["web", "worker", "scheduler", "socketio"];
pub const SITE: &str = "cauldron.local";
pub const SECRET: &str = "cauldron-secrets";

/// A release, removed when dropped.
pub struct Installation {
    pub servers: Servers,
    objects: Vec<Value>,
    image: &'static str,
    claim: &'static str,
    secrets: Mutex<Secrets>,
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
        let servers = Servers::with(name, setup);
        remove_pods_and_volumes();
        let secrets = Mutex::new(Secrets::new(secrets));
        let installation =
            Self { servers, objects, image: FRAPPE, claim: "erp-cauldron-frappe-data", secrets };
        installation.make_claim();
        Some(installation)
    }

    /// The same with another image for every pod.
    pub fn on(mut self, image: &'static str) -> Self {
        self.image = image;
        self
    }

    /// As a cluster has it: the volume hides what the image has there, and is the pods' group's (fsGroup). podman would fill
    /// an empty one from the image; a disk of its own is not empty.
    fn make_claim(&self) {
        let claim = self.objects.iter().find(|object| object["kind"] == "PersistentVolumeClaim");
        self.play(claim.expect("a claim"), &[]);
        as_a_disk(&self.volume());
    }

    /// Another claim, whose name begins with `erp-`.
    pub fn claim_of_name(&self, name: &str) {
        podman(&["volume", "create", name]);
        as_a_disk(podman(&["volume", "inspect", "--format={{.Mountpoint}}", name]).as_ref());
    }

    /// The same with its sites on another claim, which is made, and empty.
    pub fn on_claim(mut self, name: &'static str) -> Self {
        self.claim_of_name(name);
        self.claim = name;
        self
    }

    /// Where the claim of its sites is on this machine.
    pub fn volume(&self) -> PathBuf {
        podman(&["volume", "inspect", "--format={{.Mountpoint}}", self.claim]).into()
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
        self.secrets().mount(&mut pod);
        let mut pod = for_podman(pod, &name, image, &self.servers.dns);
        let services = self.services().into_iter().map(|(address, service)| (address, vec![service]));
        let hosts = self.servers.hosts.iter().cloned().chain(services);
        pod["spec"]["hostAliases"] =
            hosts.map(|(ip, hostnames)| json!({"ip": ip, "hostnames": hostnames})).collect();
        self.try_play(&pod, &address.into_iter().collect::<Vec<_>>())?;
        Ok(Played { container: format!("{name}-{main}"), pod: name })
    }

    /// Its Secrets.
    pub fn secrets(&self) -> std::sync::MutexGuard<'_, Secrets> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove_pods_and_volumes() {
    let pods = podman(&["pod", "ls", "--format={{.Name}}", "--filter=name=^erp-"]);
    for pod in pods.lines() {
        output(&["pod", "rm", "--force", "--time=0", pod]);
    }
    let volumes = podman(&["volume", "ls", "--quiet", "--filter=name=^erp-"]);
    for volume in volumes.lines() {
        output(&["volume", "rm", "--force", volume]);
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        remove_pods_and_volumes();
        self.secrets().remove();
    }
}

fn as_a_disk(root: &Path) {
    std::fs::create_dir(root.join("lost+found")).expect("a folder of the volume");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o2775);
    std::fs::set_permissions(root, mode).expect("the volume's mode");
}

fn service_of(role: &str) -> String {
    format!("erp-cauldron-frappe-{role}")
}
