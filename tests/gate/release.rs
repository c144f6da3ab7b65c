//! Changes to Frappe's code in one bench, as a new release would bring them.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

/// Later than any time in the sample bench.
pub const LATER: &str = "2099-01-01 00:00:00.000000";

pub struct Release(PathBuf);

impl Release {
    /// A release of the frappe package in this folder.
    pub fn of(package: impl Into<PathBuf>) -> Self {
        Self(package.into())
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// Makes the folder a repository; nothing is committed yet.
    pub fn init(self) -> Self {
        self.git(&["init", "--quiet"])
    }

    /// Commits everything.
    pub fn commit(self) -> Self {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        self.git(&["add", "--all", "frappe"])
            .git(&[identity.as_slice(), &["commit", "--quiet", "--message", "a release"]].concat())
    }

    pub fn check_out(self, commit: &str) -> Self {
        self.git(&["checkout", "--quiet", "--force", commit])
    }

    fn git(self, arguments: &[&str]) -> Self {
        let folder = self.0.parent().expect("the repository");
        let mut command = std::process::Command::new("git");
        let ran = command.arg("-C").arg(folder).args(arguments).output().expect("git is not installed");
        assert!(ran.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        self
    }

    pub fn version(self, version: &str) -> Self {
        let path = self.path("__init__.py");
        let text = fs::read_to_string(&path).expect("__init__.py");
        let old = text.lines().find(|line| line.starts_with("__version__")).expect("a version");
        fs::write(&path, text.replace(old, &format!("__version__ = \"{version}\""))).expect("__init__.py");
        self
    }

    /// Adds a patch at the end of the list; `body` is the body of its execute().
    pub fn patch(self, name: &str, body: &str) -> Self {
        let folder = self.path("patches/v15_1");
        fs::create_dir_all(&folder).expect("a folder for patches");
        fs::write(folder.join("__init__.py"), "").expect("a package");
        let lines: Vec<String> = body.lines().map(|line| format!("    {line}\n")).collect();
        let text = format!("from frappe.context import local\n\n\ndef execute():\n{}", lines.concat());
        fs::write(folder.join(format!("{name}.py")), text).expect("a patch");
        let list = self.path("patches.txt");
        let text = fs::read_to_string(&list).expect("patches.txt");
        let line = full_name(name);
        if !text.lines().any(|listed| listed == line) {
            fs::write(list, format!("{text}{line}\n")).expect("patches.txt");
        }
        self
    }

    /// Adds a field to a DocType.
    pub fn field(self, doctype: &str, field: &str, modified: &str) -> Self {
        let path = self.path(&format!("{doctype}.json"));
        let mut file: Value =
            serde_json::from_str(&fs::read_to_string(&path).expect("a DocType")).expect("JSON");
        let fields = file["fields"].as_array_mut().expect("fields");
        fields.push(json!({"fieldname": field, "fieldtype": "Data"}));
        file["modified"] = modified.into();
        fs::write(path, serde_json::to_string_pretty(&file).expect("JSON")).expect("a DocType");
        self
    }

    pub fn without_doctype(self, doctype: &str) -> Self {
        fs::remove_file(self.path(&format!("{doctype}.json"))).expect("a DocType");
        self
    }

    pub fn file(self, path: &str, text: &str) -> Self {
        fs::write(self.path(path), text).expect("a file");
        self
    }

    pub fn hooks(self, line: &str) -> Self {
        let path = self.path("hooks.py");
        let text = fs::read_to_string(&path).expect("hooks.py");
        fs::write(path, format!("{text}{line}\n")).expect("hooks.py");
        self
    }
}

/// Returns the patch's name in patches.txt and in the Patch Log.
pub fn full_name(patch: &str) -> String {
    format!("frappe.patches.v15_1.{patch}")
}
