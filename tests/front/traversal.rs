//! Path traversal: no byte from outside the public folders is served, however the path is encoded.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::stage::{self, SITE};
use crate::support::binary::LONG;
use crate::support::http;
use crate::support::running::Running;
use crate::support::stage::Stage;
use crate::support::wait::eventually;
use crate::support::{port, wait};

const CANARY: &str = "canary-of-the-encryption-key";

/// Paths with one step up in every encoding, to files that must not be served.
fn paths() -> Vec<String> {
    let ups = [
        "..",
        "%2e%2e",
        "%2E%2E",
        ".%2e",
        "%2e.",
        "%252e%252e",
        "..%00",
        "..%c0%af",
        "%c0%ae%c0%ae",
        "%uff0e%uff0e",
        "..;",
        "..%5c",
        "..\\",
        "..%2f",
        "..%2F",
        "....//..",
        "..%09",
        ".",
        "%2e%2e%2f%2e%2e",
        "..%2f..",
        "..%5c..",
        "\"..\"/..",
        "<../>",
        "`..`/..",
        "..\u{2044}..",
        "\u{ff0e}\u{ff0e}",
        "..\u{2215}",
    ];
    let roots = [
        "/files/",
        "/assets/",
        "/assets/frappe/",
        "/files/x/",
        "//files/",
        "/files%2f",
        "/./files/",
        "/FILES/../files/",
    ];
    let mut paths = Vec::new();
    for root in roots {
        for up in ups {
            for depth in 1..=6 {
                let climb = format!("{up}/").repeat(depth);
                for end in [
                    "site_config.json",
                    &format!("{SITE}/site_config.json"),
                    "common_site_config.json",
                    "etc/passwd",
                ] {
                    paths.push(format!("{root}{climb}{end}"));
                }
            }
        }
    }
    for absolute in [
        "/files//etc/passwd",
        "/assets//etc/passwd",
        "/files/%2fetc/passwd",
        "/files/file:///etc/passwd",
        "/assets/%00/etc/passwd",
        "/files/site_config.json%00.png",
        "/files?path=../../site_config.json",
        "/assets?../../site_config.json",
        "/protected/site_config.json",
        "/private/../site_config.json",
        "/files/C:%5cx",
    ] {
        paths.push(absolute.to_owned());
    }
    paths
}

fn leaks(body: &str) -> bool {
    [CANARY, "db_password", "redis_cache", "root:x:0:0"].iter().any(|secret| body.contains(secret))
}

/// Returns the paths whose responses leak something, requested over a few connections.
fn leaking(port: u16) -> Vec<String> {
    let ask = |path: &String| http::get(port, SITE, path).map(|answer| answer.body).unwrap_or_default();
    paths().into_iter().filter(|path| leaks(&ask(path))).collect()
}

fn plant(stage: &Stage) {
    stage.bench.configure(serde_json::json!({ "encryption_key_of_another": CANARY }));
    let site = stage.bench.sites().join(SITE);
    let config = fs::read_to_string(site.join("site_config.json")).expect("site_config.json");
    fs::write(site.join("site_config.json"), config.replacen('{', &format!("{{\"x\": \"{CANARY}\","), 1))
        .expect("a canary");
}

#[test]
fn no_path_leads_out_of_the_public_folders() {
    let stage = stage::new();
    let _pod = stage.serving();
    plant(&stage);
    assert_eq!(leaking(stage.port), Vec::<String>::new());
    // Negative control: the same paths leak where Frappe serves files itself.
    let port = port::free();
    let usual = stage.bench.gunicorn(port, 5);
    let mut command = Command::new(usual.get_program());
    let arguments = usual.get_args().map(|argument| {
        argument.to_str().expect("text").replace(":application", ":application_with_statics()")
    });
    command.args(arguments).envs(stage.bench.environment().iter().cloned()).current_dir(stage.bench.sites());
    let _unsafe = Running::spawn(&mut command);
    eventually(LONG, "the unsafe server answers", || {
        (http::status(port, SITE, "/assets/assets.json") == 200).then_some(())
    });
    assert!(!leaking(port).is_empty(), "these paths prove nothing");
}

#[test]
fn no_link_leads_out_and_no_device_or_pipe_is_served() {
    let stage = stage::new();
    let _pod = stage.serving();
    plant(&stage);
    let files = stage.bench.sites().join(SITE).join("public/files");
    fs::create_dir_all(files.join("folder")).expect("public/files");
    fs::write(files.join("folder/inside.txt"), "inside").expect("a file");
    let assets = stage.bench.path().join("apps/frappe/frappe/public");
    let config = stage.file("site_config.json");
    for folder in [&files, &assets] {
        symlink("../../site_config.json", folder.join("relative.txt")).expect("a link");
        symlink(&config, folder.join("absolute.txt")).expect("a link");
        symlink("/", folder.join("root")).expect("a link");
        symlink("/dev/zero", folder.join("zero")).expect("a link");
        symlink("/proc/self/environ", folder.join("environ.txt")).expect("a link");
        symlink("loop", folder.join("loop")).expect("a link");
        let _ = Command::new("mkfifo").arg(folder.join("pipe.txt")).status();
        let _ = Command::new("mknod").arg(folder.join("device")).args(["c", "1", "5"]).status();
    }
    symlink("folder/inside.txt", files.join("within.txt")).expect("a link");
    // Links of an app may lead to its own code (node_modules).
    fs::write(stage.bench.path().join("apps/frappe/library.js"), "library").expect("a file");
    symlink("../../library.js", assets.join("library.js")).expect("a link");
    for root in ["/files", "/assets/frappe"] {
        for name in [
            "relative.txt",
            "absolute.txt",
            "root/etc/passwd",
            "zero",
            "environ.txt",
            "loop",
            "pipe.txt",
            "device",
            "root/proc/self/environ",
            "",
            "folder",
            ".",
        ] {
            let path = format!("{root}/{name}");
            let answer = http::get(stage.port, SITE, &path).expect("an answer");
            assert!(
                answer.status == 404 && !leaks(&answer.body),
                "{path}: {} {}",
                answer.status,
                answer.body
            );
        }
    }
    assert_eq!(http::get(stage.port, SITE, "/files/within.txt").expect("an answer").body, "inside");
    assert_eq!(http::get(stage.port, SITE, "/assets/frappe/library.js").expect("an answer").body, "library");
    assert!(wait::within(LONG, || Some(stage.get("/api/method/ping") == 200)).unwrap_or_default());
}
