//! What Helm makes of the chart, as text and as objects.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::skip::skipped;

/// Every way in which the chart is meant to be installed.
pub const OVERLAYS: [&str; 4] = ["default", "dev", "staging", "prod"];

pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn chart() -> PathBuf {
    repository().join("charts/cauldron-frappe")
}

/// What tools/install put there; `None`, told by name, where it was not run.
pub fn tool(test: &str, path: &str) -> Option<PathBuf> {
    let tool = repository().join("target/tools").join(path);
    if tool.exists() {
        return Some(tool);
    }
    skipped(test, format!("no {path} here (make install-images)"));
    None
}

/// What the tests' users called the image that they built.
pub const IMAGE: &str = "registry.example.com/erpnext";

/// One installation's values.
#[derive(Clone)]
pub struct Chart {
    helm: PathBuf,
    folder: PathBuf,
    release: String,
    arguments: Vec<String>,
}

impl Chart {
    /// `None`, told by name, where Helm is not there.
    pub fn new(test: &str) -> Option<Self> {
        Self::by(test, "helm")
    }

    /// By another of the Helms that tools/install put there.
    pub fn by(test: &str, helm: &str) -> Option<Self> {
        Some(Self::without_image(test, helm)?.set("frappe.image.repository", IMAGE.into()))
    }

    /// Without the one value that is required.
    pub fn without_image(test: &str, helm: &str) -> Option<Self> {
        let (helm, release) = (tool(test, helm)?, "erp".to_owned());
        Some(Self { helm, folder: chart(), release, arguments: Vec::new() })
    }

    /// Another chart than this one, with the same names of values.
    pub fn of_folder(mut self, folder: PathBuf) -> Self {
        self.folder = folder;
        self
    }

    pub fn release(mut self, name: &str) -> Self {
        name.clone_into(&mut self.release);
        self
    }

    /// Another namespace than `cauldron`.
    pub fn namespace(mut self, name: &str) -> Self {
        self.arguments.push(format!("--namespace={name}"));
        self
    }

    /// As for a cluster of this version.
    pub fn kubernetes(mut self, version: &str) -> Self {
        self.arguments.push(format!("--kube-version={version}"));
        self
    }

    pub fn overlay(self, name: &str) -> Self {
        match name {
            "default" => self,
            name => {
                let file = self.folder.join(format!("values-{name}.yaml"));
                self.values(&file)
            }
        }
    }

    pub fn values(mut self, file: &Path) -> Self {
        self.arguments.push(format!("--values={}", file.display()));
        self
    }

    /// `--set-json`: any value, and no second reading of dots and commas in it.
    pub fn set(mut self, path: &str, value: Value) -> Self {
        self.arguments.push(format!("--set-json={path}={value}"));
        self
    }

    fn helm(&self, words: &[&str]) -> Output {
        Command::new(&self.helm)
            .args(words)
            .arg(&self.folder)
            .args(&self.arguments)
            .output()
            .expect("helm runs")
    }

    #[track_caller]
    pub fn text(&self) -> String {
        let output = self.helm(&["template", "--namespace=cauldron", &self.release]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// The reason for which nothing is rendered.
    #[track_caller]
    pub fn refusal(&self) -> String {
        self.rendered().expect_err("it was rendered")
    }

    /// The text, or the reason for which there is none.
    pub fn rendered(&self) -> Result<String, String> {
        let output = self.helm(&["template", "--namespace=cauldron", &self.release]);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    pub fn lint(&self) -> Output {
        self.helm(&["lint", "--strict"])
    }

    /// NOTES.txt as the user reads it. Helm shows it at an installation only; a dry one asks no cluster.
    pub fn notes(&self) -> String {
        let output = self.helm(&["install", "--dry-run=client", "--namespace=cauldron", "erp"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split_once("NOTES:").expect("NOTES.txt").1.to_owned()
    }

    /// A key that stands twice in one object is an error here, as it is to a strict API server.
    #[track_caller]
    pub fn objects(&self) -> Objects {
        let text = self.text();
        let documents = serde_yaml_ng::Deserializer::from_str(&text);
        let objects = documents
            .map(|document| {
                <Value as serde::Deserialize>::deserialize(document)
                    .unwrap_or_else(|e| panic!("{e}:\n{text}"))
            })
            .filter(|object| !object.is_null())
            .collect();
        Objects(objects)
    }
}

pub struct Objects(pub Vec<Value>);

impl Objects {
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    /// The one whose name ends so.
    #[track_caller]
    pub fn get<'a>(&'a self, kind: &str, suffix: &str) -> &'a Value {
        let fits = |object: &&'a Value| object["kind"] == kind && name(object).ends_with(suffix);
        let found: Vec<&'a Value> = self.0.iter().filter(fits).collect();
        let [one] = found[..] else { panic!("{} {kind} …{suffix}", found.len()) };
        one
    }

    /// Every pod by its role: the Deployments' and the Job's.
    pub fn pods(&self) -> Vec<(String, &Value)> {
        ["Deployment", "Job"]
            .iter()
            .flat_map(|kind| self.of_kind(kind))
            .map(|object| {
                let role = &object["metadata"]["labels"]["app.kubernetes.io/component"];
                (role.as_str().expect("a role").to_owned(), &object["spec"]["template"])
            })
            .collect()
    }

    #[track_caller]
    pub fn pod(&self, role: &str) -> &Value {
        let pods = self.pods();
        pods.into_iter().find(|(name, _)| name == role).unwrap_or_else(|| panic!("no pod of {role}")).1
    }
}

pub fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().expect("a name")
}

/// The init containers, then the container.
pub fn containers(pod: &Value) -> Vec<&Value> {
    ["initContainers", "containers"]
        .iter()
        .flat_map(|list| pod["spec"][list].as_array().into_iter().flatten())
        .collect()
}

pub fn container(pod: &Value) -> &Value {
    &pod["spec"]["containers"][0]
}

/// A variable of a container: its value, or what it refers to as JSON.
pub fn variable(container: &Value, name: &str) -> Option<String> {
    let found = container["env"].as_array()?.iter().find(|variable| variable["name"] == name)?;
    Some(match &found["value"] {
        Value::String(text) => text.clone(),
        Value::Null => found["valueFrom"].to_string(),
        other => panic!("{name} is no string: {other}"),
    })
}
