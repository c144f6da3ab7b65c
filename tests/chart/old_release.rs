//! A release of chart 0.1.0 on a cluster in memory, and Helm's commands for it.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::cluster::{Cluster, NAMESPACE};
use super::helm::{IMAGE, chart, repository, tool};

pub const CLAIM: &str = "erp-cauldron-frappe-data";

/// What 0.1.0 made of each of its values files, and what such a file says: our own record of its objects.
pub fn of_old(file: &str) -> Value {
    let text = std::fs::read_to_string(repository().join("tests/chart/of-0.1.0.json")).expect("the record");
    serde_json::from_str::<Value>(&text).expect("JSON")[file].take()
}

/// The objects of release `erp`, as far as an upgrade meets them: kinds, names, selectors, the claim, and the password.
pub fn old_objects(file: &str) -> Vec<Value> {
    let old = of_old(file);
    let labels = json!({"app.kubernetes.io/name": "cauldron-frappe", "app.kubernetes.io/instance": "erp",
        "helm.sh/chart": "cauldron-frappe-0.1.0", "app.kubernetes.io/managed-by": "Helm"});
    let object = |version: &str, kind: &str, part: &str, key: &str, content: Value| {
        json!({"apiVersion": version, "kind": kind,
            "metadata": {"name": format!("erp-cauldron-frappe-{part}"), "labels": labels}, key: content})
    };
    let mut objects = vec![
        object("v1", "ConfigMap", "config", "data", json!({"common_site_config.json": "{}"})),
        object("v1", "Secret", "secret", "data", json!({"admin-password": "YWRtaW4="})),
        object(
            "v1",
            "PersistentVolumeClaim",
            "data",
            "spec",
            json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": old["size"]}}}),
        ),
        object(
            "networking.k8s.io/v1",
            "Ingress",
            "web",
            "spec",
            json!({"rules": [{"host": old["host"], "http": {"paths": [{"path": "/", "pathType": "Prefix",
                "backend": {"service": {"name": "erp-cauldron-frappe-web", "port": {"number": 8000}}}}]}}]}),
        ),
    ];
    for role in ["web", "worker", "scheduler", "socketio"] {
        let selector = json!({"app.kubernetes.io/name": "cauldron-frappe", "app.kubernetes.io/instance": "erp",
            "app.kubernetes.io/component": role});
        let container = json!({"name": role.replace("web", "frappe"), "image": "frappe/bench:latest"});
        let pod = json!({"metadata": {"labels": selector}, "spec": {"containers": [container]}});
        let spec = json!({"replicas": 1, "selector": {"matchLabels": selector}, "template": pod});
        objects.push(object("apps/v1", "Deployment", role, "spec", spec));
        if ["web", "socketio"].contains(&role) {
            let ports = json!([{"name": role.replace("web", "http"), "port": 8000}]);
            objects.push(object(
                "v1",
                "Service",
                role,
                "spec",
                json!({"selector": selector, "ports": ports}),
            ));
        }
    }
    objects
}

/// One release on one cluster.
pub struct Release {
    helm: PathBuf,
    pub cluster: Cluster,
    home: tempfile::TempDir,
}

impl Release {
    /// A cluster with no release yet.
    pub fn none(test: &str, helm: &str) -> Option<Self> {
        Some(Self {
            helm: tool(test, helm)?,
            cluster: Cluster::start(),
            home: tempfile::tempdir().expect("a folder"),
        })
    }

    /// Installed with chart 0.1.0.
    pub fn of_old(test: &str, helm: &str, file: &str) -> Option<Self> {
        Self::of_old_with(test, helm, file, None)
    }

    pub fn of_old_with(test: &str, helm: &str, file: &str, class: Option<&str>) -> Option<Self> {
        let release = Self::none(test, helm)?;
        let folder = release.home.path().join("old");
        std::fs::create_dir_all(folder.join("templates")).expect("a folder");
        let about = "apiVersion: v2\nname: cauldron-frappe\nversion: 0.1.0\n";
        std::fs::write(folder.join("Chart.yaml"), about).expect("a file");
        let mut objects = old_objects(file);
        let claim = objects.iter_mut().find(|object| object["kind"] == "PersistentVolumeClaim");
        if let (Some(claim), Some(class)) = (claim, class) {
            claim["spec"]["storageClassName"] = class.into();
        }
        let text: String = objects.iter().map(|object| format!("---\n{object}\n")).collect();
        std::fs::write(folder.join("templates/objects.yaml"), text).expect("a file");
        release.does(&["install", "erp", folder.to_str().expect("a path"), "--disable-openapi-validation"]);
        Some(release)
    }

    fn run(&self, words: &[&str]) -> Output {
        Command::new(&self.helm)
            .args(words)
            .args(["--namespace", NAMESPACE, "--kube-apiserver", &format!("http://{}", self.cluster.address)])
            .env_clear()
            .env("HOME", self.home.path())
            .output()
            .expect("helm runs")
    }

    #[track_caller]
    pub fn does(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} {words:?}: {said}", self.helm.display());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// `helm upgrade` to this chart, with what a user's values file says.
    pub fn upgrade(&self, values: &Value) -> Output {
        let file = self.home.path().join("values.json");
        std::fs::write(&file, values.to_string()).expect("a file");
        self.run(&[
            "upgrade",
            "erp",
            chart().to_str().expect("a path"),
            "--disable-openapi-validation",
            &format!("--values={}", file.display()),
            &format!("--set=frappe.image.repository={IMAGE}"),
        ])
    }

    #[track_caller]
    pub fn upgrades(&self, values: &Value) -> String {
        let output = self.upgrade(values);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} for {values}: {said}", self.helm.display());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[track_caller]
    pub fn claim(&self) -> Value {
        self.cluster.get("persistentvolumeclaims", CLAIM).expect("the claim is gone")
    }

    /// The claim is the one that it was, with the same spec, and Helm will not delete it.
    #[track_caller]
    pub fn keeps(&self, claim: &Value) {
        let now = self.claim();
        assert_eq!(now["metadata"]["uid"], claim["metadata"]["uid"], "another claim");
        assert_eq!(now["spec"], claim["spec"]);
        assert_eq!(now["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    }
}
