//! Apps generated for a test: a package of some version, as source, in the image, or as a published bundle.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::bench::Bench;

/// One version of an app.
#[derive(Clone, Debug)]
pub struct MadeApp {
    pub name: String,
    pub version: String,
    pub requires: Vec<String>,
    /// A Python package's name, and the value of `NAME.VALUE` after `import NAME`.
    pub requirement: Option<(String, String)>,
    /// The patches besides the first; each writes to the site's folder that it ran.
    pub patches: Vec<String>,
}

impl MadeApp {
    pub fn new(name: &str, version: &str) -> Self {
        let (name, version) = (name.into(), version.into());
        Self { name, version, requires: Vec::new(), requirement: None, patches: Vec::new() }
    }

    pub fn requires(mut self, app: &str) -> Self {
        self.requires.push(app.into());
        self
    }

    pub fn with_requirement(mut self, name: &str, value: &str) -> Self {
        self.requirement = Some((name.into(), value.into()));
        self
    }

    pub fn with_patch(mut self, name: &str) -> Self {
        self.patches.push(name.into());
        self
    }

    /// A commit of 40 hex digits, different for each version.
    pub fn commit(&self) -> String {
        hex(&Sha256::digest(format!("{} {}", self.name, self.version)))[..40].to_owned()
    }

    /// The name of its only asset, as esbuild forms it.
    pub fn asset(&self) -> String {
        let letters: String = self.commit().bytes().take(8).map(|b| char::from(b'A' + b % 26)).collect();
        format!("{}.bundle.{letters}.js", self.name)
    }

    /// Writes the complete package into `folder`.
    pub fn write(&self, folder: &Path) {
        let name = &self.name;
        let package = folder.join(name);
        let write = |path: &str, text: &str| {
            let path = package.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a package");
            fs::write(path, text).expect("a package");
        };
        let title = title(name);
        let requires = serde_json::to_string(&self.requires).expect("JSON");
        let import = self.requirement.as_ref().map_or(String::new(), |(name, _)| format!("import {name}\n"));
        write("__init__.py", &format!("__version__ = \"{}\"\n", self.version));
        write("modules.txt", &format!("{title}\n"));
        let patches = std::iter::once("first").chain(self.patches.iter().map(String::as_str));
        let patches: String = patches.map(|patch| format!("{name}.patches.{patch}\n")).collect();
        write("patches.txt", &format!("[pre_model_sync]\n\n[post_model_sync]\n{patches}"));
        for patch in &self.patches {
            let mark = format!("{name}_{patch}");
            let body = format!("    tasks.append(\"{mark}\", \"ran\")\n");
            let text = format!("from {name} import tasks\n\n\ndef execute():\n{body}");
            write(&format!("patches/{patch}.py"), &text);
        }
        write("patches/__init__.py", "");
        write("patches/first.py", "def execute():\n    pass\n");
        write(
            "hooks.py",
            &format!(
                "{import}app_name = \"{name}\"\napp_title = \"{title}\"\nrequired_apps = {requires}\n\
                 after_install = \"{name}.tasks.leave_mark\"\nbefore_request = []\nmarks = [\"{name}\"]\n\
                 scheduler_events = {{\"cron\": {{\"* * * * *\": [\"{name}.tasks.{name}_tick\"]}}}}\n"
            ),
        );
        write("tasks.py", &TASKS.replace("APP", name));
        let doctype = format!("{name}/doctype/{name}_card");
        for part in [
            format!("{name}/__init__.py"),
            format!("{name}/doctype/__init__.py"),
            format!("{doctype}/__init__.py"),
        ] {
            write(&part, "");
        }
        let fields = json!({"name": format!("{title} Card"), "module": title, "doctype": "DocType",
            "fields": [{"fieldname": "title", "fieldtype": "Data", "label": self.version}]});
        write(&format!("{doctype}/{name}_card.json"), &fields.to_string());
        write(&format!("public/dist/js/{}", self.asset()), &format!("// {name} {}\n", self.version));
    }

    /// Writes the app into the bench's apps/, as in an image.
    pub fn bake(&self, bench: &Bench) {
        self.write(&bench.path().join("apps").join(&self.name));
    }

    /// Writes a complete bundle, as a leader publishes it.
    pub fn publish(&self, bench: &Bench) -> PathBuf {
        let abi = abi(bench);
        let key = format!("{}-{abi}-{}", self.commit(), std::env::consts::ARCH);
        let root = bench.sites().join(".cauldron/bundles").join(&self.name).join(key);
        if root.join("manifest.json").exists() {
            return root;
        }
        self.write(&root.join("source"));
        let mut requirements: Vec<String> = Vec::new();
        if let Some((name, value)) = &self.requirement {
            let package = root.join("site-packages").join(name);
            fs::create_dir_all(&package).expect("a requirement");
            fs::write(package.join("__init__.py"), format!("VALUE = \"{value}\"\n")).expect("a requirement");
            requirements.push(format!("{name}==1.0"));
        }
        let last = |app: &String| app.rsplit('/').next().unwrap_or_default().to_owned();
        let required: Vec<String> = self.requires.iter().map(last).collect();
        let manifest = json!({
            "app": self.name, "version": self.version, "commit": self.commit(), "abi": abi,
            "arch": std::env::consts::ARCH, "requirements": requirements, "has_bundles": false,
            "built_assets": false, "required_apps": required,
        });
        fs::write(root.join("manifest.json"), manifest.to_string()).expect("a manifest");
        root
    }
}

const TASKS: &str = r#""""Functions for hooks, jobs and requests."""

import os

import frappe

import APP


def leave_mark():
    """after_install: says that it ran."""
    with open(os.path.join(frappe.local.site_path, "APP_installed"), "a") as file:
        file.write("x")


def APP_tick():
    append("APP_ticks", APP.__version__)


def job(word):
    append("APP_jobs", f"{word} {APP.__version__}")


def append(name, line):
    with open(os.path.join(frappe.local.site_path, name), "a") as file:
        file.write(f"{line}\n")


@frappe.whitelist(allow_guest=True)
def version():
    return APP.__version__


@frappe.whitelist(allow_guest=True)
def marks():
    """What hooks of all apps say, as this process sees them."""
    return frappe.get_hooks("marks")


@frappe.whitelist(allow_guest=True)
def enqueue(word):
    from frappe.utils.background_jobs import enqueue

    enqueue("APP.tasks.job", queue="short", job_id=f"APP-{word}", word=word)


@frappe.whitelist(allow_guest=True)
def required():
    from APP import hooks

    return [value.VALUE for value in vars(hooks).values() if hasattr(value, "VALUE")]
"#;

/// Writes the pins of these apps, as a leader does; returns the list of wanted apps.
pub fn pin(bench: &Bench, apps: &[&MadeApp]) -> String {
    pin_with(bench, apps, true)
}

/// [`pin`] with `"install": false`.
pub fn pin_uninstalled(bench: &Bench, apps: &[&MadeApp]) -> String {
    pin_with(bench, apps, false)
}

fn pin_with(bench: &Bench, apps: &[&MadeApp], install: bool) -> String {
    let entries: Vec<Value> = apps
        .iter()
        .map(|app| json!({"name": app.name, "url": source(app), "commit": app.commit(), "install": install}))
        .collect();
    let pins: Vec<Value> = apps
        .iter()
        .map(|app| {
            json!({"app": app.name, "source": source(app), "reference": format!("commit {}", app.commit()),
                   "commit": app.commit(), "install": install, "build": true})
        })
        .collect();
    write_pins(bench, &entries, &pins);
    Value::from(entries).to_string()
}

/// Writes the pins of apps in the image; returns the list of wanted apps.
pub fn pin_baked(bench: &Bench, apps: &[&MadeApp]) -> String {
    let entries: Vec<Value> = apps.iter().map(|app| json!({"name": app.name})).collect();
    let pins: Vec<Value> = apps
        .iter()
        .map(|app| {
            json!({"app": app.name, "source": format!("https://github.com/frappe/{}", app.name),
                   "reference": "HEAD", "commit": "baked", "install": true, "build": true})
        })
        .collect();
    write_pins(bench, &entries, &pins);
    Value::from(entries).to_string()
}

fn source(app: &MadeApp) -> String {
    format!("https://gone.invalid/{}.git", app.name)
}

fn write_pins(bench: &Bench, entries: &[Value], pins: &[Value]) {
    let mut hasher = Sha256::new();
    for (entry, pin) in entries.iter().zip(pins) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for part in [text(&entry["name"]), text(&pin["source"]), text(&pin["reference"]), String::new()] {
            hasher.update(part);
            hasher.update([0]);
        }
        hasher.update([u8::from(pin["install"] == true), 1]);
    }
    let folder = bench.sites().join(".cauldron/apps");
    fs::create_dir_all(&folder).expect("a folder for pins");
    let digest = &hex(&hasher.finalize())[..32];
    fs::write(folder.join(format!("{digest}.lock.json")), json!({"apps": pins}).to_string()).expect("pins");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The title of an app: `some_app` becomes "Some App".
fn title(name: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('_').map(word).collect::<Vec<_>>().join(" ")
}

fn abi(bench: &Bench) -> String {
    let libraries = fs::read_dir(bench.path().join("env/lib")).expect("env/lib");
    let names = libraries.map(|entry| entry.expect("env/lib").file_name().into_string().expect("a name"));
    let version = names.filter_map(|name| Some(name.strip_prefix("python3.")?.to_owned())).max();
    format!("cpython-3{}", version.expect("a Python"))
}

/// Makes a folder writable for all users.
pub fn open_to_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("an open folder");
}
