//! Makes small wheels in a folder, as a replacement for a package index.

use std::path::Path;
use std::process::Command;

const MAKE: &str = r#"
import sys, zipfile
folder, name, version, *requires = sys.argv[1:]
info = f"{name}-{version}.dist-info"
files = {
    f"{name}.py": f"version = '{version}'\n",
    f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(f"Requires-Dist: {text}\n" for text in requires),
    f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}
files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
with zipfile.ZipFile(f"{folder}/{name}-{version}-py3-none-any.whl", "w") as wheel:
    for path, text in files.items():
        wheel.writestr(path, text)
"#;

pub fn make(folder: &Path, name: &str, version: &str, requires: &[&str]) {
    let mut python = Command::new("python3");
    python.args(["-c", MAKE]).arg(folder).args([name, version]).args(requires);
    assert!(python.status().is_ok_and(|status| status.success()), "a wheel of {name}");
}
