//! Private repositories over HTTP: a login is sent only to its own host.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::apps_bench::{AppsBench, contents, done, refused, wanted};
use crate::support::binary::event;
use crate::support::git::{GitHttp, Repository};
use crate::support::tree::with_descendants;
use crate::support::wait::eventually;

const CANARY: &str = "canaryTOKEN4711";

fn auth(server: &GitHttp, token_file: &std::path::Path) -> String {
    let host = server.host();
    json!({host: {"user": "robot", "token_file": token_file}}).to_string()
}

#[test]
fn a_token_file_gives_access_to_its_host_and_the_secret_does_not_leak() {
    let (apps, repository) = (AppsBench::new(), Repository::with_app("shop"));
    let server = GitHttp::serve(&repository, "robot", CANARY);
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, format!("{CANARY}\n")).unwrap();
    let fetch = apps.fetch(&wanted(&server.url())).set("CAULDRON_GIT_AUTH", auth(&server, &token));
    let mut pod = fetch.set("CAULDRON_LOG_LEVEL", "trace").spawn();
    let mut seen = BTreeSet::new();
    let exit = loop {
        for pid in with_descendants(pod.pid()) {
            for part in ["cmdline", "environ"] {
                let text = fs::read(format!("/proc/{pid}/{part}")).unwrap_or_default();
                if String::from_utf8_lossy(&text).contains(CANARY) {
                    seen.insert(format!(
                        "{part} of {}",
                        fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default()
                    ));
                }
            }
        }
        if let Some(exit) = pod.exit() {
            break exit;
        }
    };
    assert_eq!(exit, 0, "{}", pod.log());
    assert!(seen.is_empty(), "{seen:?}");
    assert!(!pod.log().contains(CANARY), "{}", pod.log());
    let files_with_secret = |folder: &std::path::Path| {
        let has_secret = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).contains(CANARY);
        contents(folder)
            .into_iter()
            .filter(|(_, bytes)| has_secret(bytes))
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    assert!(files_with_secret(&apps.folder()).is_empty(), "{:?}", files_with_secret(&apps.folder()));
    assert!(files_with_secret(pod.folder()).is_empty(), "{:?}", files_with_secret(pod.folder()));
    // Negative control: the search finds the secret in its own file.
    assert_eq!(files_with_secret(folder.path()), ["token"]);
}

#[test]
fn a_token_in_the_url_works_and_is_not_stored() {
    let (apps, repository) = (AppsBench::new(), Repository::with_app("shop"));
    let server = GitHttp::serve(&repository, "robot", CANARY);
    let url = server.url().replace("http://", &format!("http://robot:{CANARY}@"));
    let ended = apps.fetched(&wanted(&url));
    assert!(!ended.stderr.contains(CANARY));
    let all: Vec<u8> = contents(&apps.folder()).into_values().flatten().collect();
    assert!(!String::from_utf8_lossy(&all).contains(CANARY));
    assert_eq!(apps.pins()["apps"][0]["source"], server.url());
    // The same list with another token has the same digest.
    drop(server);
    apps.fetched(&wanted(&url.replace(CANARY, "another")));
}

#[test]
fn a_wrong_or_missing_login_is_reported_without_retries() {
    let (apps, repository) = (AppsBench::new(), Repository::with_app("shop"));
    let server = GitHttp::serve(&repository, "robot", CANARY);
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "wrong").unwrap();
    let fetch = apps.fetch(&wanted(&server.url()));
    let host = server.host();
    let ended = fetch.clone().set("CAULDRON_GIT_AUTH", auth(&server, &token)).run();
    refused(&ended, 77, &["Authentication failed", "CAULDRON_GIT_AUTH", &host, "refusal: git-login-refused"]);
    refused(&fetch.clone().run(), 77, &["could not read Username", &host]);
    // A token for another host is not sent.
    let other = json!({"127.0.0.1:1": {"token_file": token}});
    refused(&fetch.clone().set("CAULDRON_GIT_AUTH", other).run(), 77, &["could not read Username"]);
    let gone = auth(&server, &folder.path().join("gone"));
    refused(&fetch.set("CAULDRON_GIT_AUTH", gone).run(), 78, &["CAULDRON_GIT_AUTH", "cannot read"]);
}

#[test]
fn a_transient_server_failure_is_retried() {
    let (apps, repository) = (AppsBench::new(), Repository::with_app("shop"));
    let server = GitHttp::serve(&repository, "robot", CANARY);
    let url = server.url().replace("http://", &format!("http://robot:{CANARY}@"));
    server.fail(2);
    let ended = apps.fetched(&wanted(&url));
    assert_eq!(ended.stderr.matches(&event("app.git_retry_scheduled")).count(), 2, "{}", ended.stderr);
    server.fail(1_000);
    let update = apps.fetch(&wanted(&url)).set("CAULDRON_APPS_UPDATE", "1");
    refused(&update.run(), 69, &["app x", "503"]);
}

#[test]
fn a_server_that_never_answers_ends_in_a_timeout() {
    let (apps, repository) = (AppsBench::new(), Repository::with_app("shop"));
    let server = GitHttp::serve(&repository, "robot", CANARY);
    server.stall();
    let fetch = apps.fetch(&wanted(&server.url())).set("CAULDRON_GIT_TIMEOUT", "100ms");
    refused(&fetch.run(), 69, &["CAULDRON_GIT_TIMEOUT"]);
}

#[test]
fn a_timeout_of_zero_means_no_timeout() {
    let (apps, repository) = (AppsBench::new(), Repository::with_app("shop"));
    let server = GitHttp::serve(&repository, "robot", CANARY);
    let url = server.url().replace("http://", &format!("http://robot:{CANARY}@"));
    apps.fetch(&wanted(&url)).set("CAULDRON_GIT_TIMEOUT", "0").run().exits(0);
}

#[test]
fn a_stop_ends_git_at_once() {
    let (apps, repository) = (AppsBench::new(), Repository::with_app("shop"));
    let server = GitHttp::serve(&repository, "robot", CANARY);
    server.stall();
    let pod = apps.fetch(&wanted(&server.url())).spawn();
    eventually(Duration::from_secs(30), "a request of git", || (server.requests() > 0).then_some(()));
    let children = with_descendants(pod.pid());
    assert!(children.len() > 1, "git runs");
    pod.signal(Signal::SIGTERM);
    let ended = pod.end_within(Duration::from_secs(10));
    assert_eq!(ended.exit, 143, "{}", ended.stderr);
    let alive = children.iter().filter(|pid| fs::exists(format!("/proc/{pid}/exe")).unwrap_or(false));
    assert_eq!(alive.count(), 0, "no process is left");
    assert!(apps.bundles().is_empty() && apps.leftovers() == 0);
    let _ = done;
}
