//! The cost at start of comparing the code with the database: an app of 30,000 files, as large as ERPNext, with cached
//! digests from the previous start.

use std::fs;
use std::path::Path;

use super::lab::{DEADLINE, Lab, SITE_NAME};
use super::report::{Row, Target};
use super::samples::Samples;

const DOCTYPES: usize = 6_000;
const ROUNDS: usize = 15;
/// The program's log event with the duration, at CAULDRON_LOG_LEVEL=debug.
const EVENT: &str = "app.fingerprints_read";

pub fn measure(lab: &Lab) -> Vec<Row> {
    let site = lab.site();
    if site.bench.is_real() {
        // The apps of a real bench are not changed.
        return Vec::new();
    }
    let app = site.bench.path().join("apps/big");
    lay_out(&app.join("big"));
    let list = site.bench.sites().join("apps.txt");
    let listed = fs::read_to_string(&list).expect("apps.txt");
    fs::write(&list, format!("{listed}big\n")).expect("apps.txt");
    // Files that were just written are read again, because they may change within the resolution of file times.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let cold = looked_ms(lab);
    let warm: Vec<f64> = (0..ROUNDS).map(|_| looked_ms(lab)).collect();
    fs::write(&list, listed).expect("apps.txt");
    fs::remove_dir_all(app).expect("the app");
    vec![
        Row::new(
            "fingerprint of 30,000 files, warm",
            "ms",
            vec![Samples::new("ours", warm)],
            Target::AtMost(50.0),
        )
        .noted(&format!("cold, once: {cold:.0} ms")),
    ]
}

fn looked_ms(lab: &Lab) -> f64 {
    let site = lab.site();
    let mut command = lab.on_site(site, "bootstrap");
    command
        .env_clear()
        .envs(lab.on_site(site, "bootstrap").get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", std::env::var_os("PATH").expect("PATH")).env("CAULDRON_LOG_LEVEL", "debug");
    let output = command.env("CAULDRON_LOG_FORMAT", "text").output().expect("a start");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{SITE_NAME} within {DEADLINE:?}: {text}");
    let line =
        text.lines().find(|line| line.contains(EVENT)).unwrap_or_else(|| panic!("no `{EVENT}`: {text}"));
    let (_, rest) = line.split_once("elapsed_ms=").expect("a time");
    rest.split_whitespace().next().and_then(|text| text.parse().ok()).expect("a time")
}

/// Creates the app. A DocType has five files, one of which migrate reads.
fn lay_out(package: &Path) {
    fs::create_dir_all(package).expect("a package");
    fs::write(package.join("hooks.py"), "app_name = 'big'\n").expect("hooks.py");
    fs::write(package.join("__init__.py"), "__version__ = '1.0.0'\n").expect("__init__.py");
    let field =
        r#"{"fieldname": "field", "fieldtype": "Data", "label": "A field with some text of its own"}"#;
    let fields = vec![field; 40].join(", ");
    for number in 0..DOCTYPES {
        let name = format!("thing_{number}");
        let folder = package.join(format!("module_{}/doctype/{name}", number / 100));
        fs::create_dir_all(&folder).expect("a folder");
        let json = format!(r#"{{"doctype": "DocType", "name": "Thing {number}", "fields": [{fields}]}}"#);
        for (file, text) in [
            (format!("{name}.json"), json.as_str()),
            (format!("{name}.py"), "class Thing: pass\n"),
            (format!("{name}.js"), "// nothing\n"),
            (format!("test_{name}.py"), ""),
            ("__init__.py".into(), ""),
        ] {
            fs::write(folder.join(file), text).expect("a file");
        }
    }
}
