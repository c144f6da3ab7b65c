//! docs/operations.md, "Passwords": each is changed as the page says, while the site is served; then the old one is refused.

use std::time::Duration;

use crate::installation::SITE;
use crate::podman::{output, podman};
use crate::reader::{LONG, Reader, between, blocks, lines, values};
use crate::servers::PASSWORD;
use crate::support::http;
use crate::support::wait::eventually;

const PAGE: &str = "operations.md";
/// Of the Redis servers before.
pub const REDIS_PASSWORD: &str = "of-redis";
/// Of the repository before.
pub const REPOSITORY_PASSWORD: &str = "of-the-repository";

/// The URLs of both servers.
pub fn redis_urls(password: &str) -> [String; 2] {
    [("redis-cache", 0), ("redis-queue", 1)].map(|(host, db)| format!("redis://:{password}@{host}:6379/{db}"))
}

pub fn rotates_passwords(reader: &Reader) {
    administrator_of_postgresql(reader);
    role_of_the_site(reader);
    redis(reader);
    administrator_of_the_site(reader);
    repository(reader);
}

/// Whether PostgreSQL lets a role in with this password.
fn opens(reader: &Reader, role: &str, password: &str) -> bool {
    let postgres = reader.cluster.state().installation.servers.container("postgres");
    let password = format!("--env=PGPASSWORD={password}");
    let login = format!("host=/tmp dbname=postgres user={role}");
    output(&["exec", &password, &postgres, "psql", &login, "-c", "select 1"]).status.success()
}

/// Twice, so that the other tests' password is the last.
fn administrator_of_postgresql(reader: &Reader) {
    let block = &blocks(PAGE, "Administrator of PostgreSQL")[0];
    for (old, new) in [(PASSWORD, "of-the-next-one"), ("of-the-next-one", PASSWORD)] {
        let filled = [("DB_HOST", "postgres"), ("NEW", new)];
        reader.follows(block, &filled, &format!("{old}\n{new}\n{new}\n"));
        assert!(opens(reader, "postgres", new) && !opens(reader, "postgres", old));
        let state = reader.cluster.state();
        let secret = state.installation.secrets().get("cauldron-secrets").cloned().expect("the Secret");
        assert_eq!((&*secret["db-root-password"], &*secret["admin-password"]), (new, "admin"));
    }
}

fn role_of_the_site(reader: &Reader) {
    let file = reader.values("site-db.yaml", &values(PAGE, "The site's database role"));
    let steps = blocks(PAGE, "The site's database role");
    let filled = [("site-db.yaml", &*file), ("NEWER", "third"), ("NEW", "second")];
    reader.follows(&steps[0], &filled, "");
    eventually(LONG, "the role has its second password", || opens(reader, "frappe", "second").then_some(()));
    // The control: the Secret alone changes nothing.
    reader.follows(&lines(&steps[1], |line| line.contains("patch")), &filled, "");
    assert!(!opens(reader, "frappe", "third"));
    reader.follows(&lines(&steps[1], |line| !line.contains("patch")), &filled, "");
    assert!(opens(reader, "frappe", "third") && !opens(reader, "frappe", "second"));
    reader.has_its_key();
}

fn redis(reader: &Reader) {
    let step = &blocks(PAGE, "Redis")[0];
    let filled = [("NEW", "of-redis-too"), ("OLD", REDIS_PASSWORD)];
    reader.notices(&step.replace("redis-urls", "redis-secret"), &filled, "");
    reader.follows(step, &filled, "");
    let installation = |server: &str, password: &str| {
        let container = reader.cluster.state().installation.servers.container(server);
        let words = ["exec", &container, "redis-cli", "--no-auth-warning", "-a", password, "ping"];
        String::from_utf8_lossy(&output(&words).stdout).trim() == "PONG"
    };
    for server in ["redis-cache", "redis-queue"] {
        assert!(installation(server, "of-redis-too") && !installation(server, REDIS_PASSWORD), "{server}");
    }
    let [cache, queue] = redis_urls("of-redis-too");
    let config = reader.common_config();
    assert_eq!(
        (config["redis_cache"].as_str(), config["redis_queue"].as_str()),
        (Some(&*cache), Some(&*queue))
    );
    // What has no session yet logs in with the new one.
    for server in ["redis-cache", "redis-queue"] {
        let container = reader.cluster.state().installation.servers.container(server);
        let words = ["exec", &container, "redis-cli", "--no-auth-warning", "-a", "of-redis-too"];
        podman(&[&words[..], &["client", "kill", "type", "normal"]].concat());
    }
    reader.has_its_key();
    reader.does_a_job();
}

fn administrator_of_the_site(reader: &Reader) {
    let step = &blocks(PAGE, "Administrator of the site")[0];
    let logs_in = |password: &str| {
        let form = [("usr", "Administrator"), ("pwd", password)];
        let web = reader.web().expect("a web pod");
        let answer = http::post_at(web, SITE, "/api/method/login", &form, Duration::from_secs(10));
        answer.map_or(0, |answer| answer.status)
    };
    assert_eq!(logs_in("admin"), 200);
    reader.notices(&step.replace("set-admin-password", "set-password"), &[], "");
    reader.follows(step, &[], "of-administrator\n");
    assert_eq!((logs_in("of-administrator"), logs_in("admin")), (200, 401));
}

/// In the pod that the page of backups makes.
fn repository(reader: &Reader) {
    let pod = &blocks("backups.md", "See and use them")[1];
    let steps = blocks(PAGE, "The repository of the backups");
    let in_use = |list: &str| between(list, "\n*", " ").to_owned();
    let only = |step: &str, what: &str| lines(step, |line| line.contains(what));
    let old = in_use(&reader.follows(&only(&steps[0], "key list"), &[], ""));
    let new = "of-the-repository-too";
    reader.follows(&only(&steps[0], "key add"), &[], &format!("{new}\n"));
    reader.follows(&only(&steps[0], "patch"), &[("NEW", new)], "");
    reader.follows(&only(&steps[0], "delete"), &[], "");
    reader.follows(pod, &[], "");
    assert_ne!(in_use(&reader.follows(&only(&steps[1], "key list"), &[], "")), old);
    // The control: the key that is in use stays.
    let last = reader.follows(&only(&steps[1], "key list"), &[], "");
    reader.notices(&only(&steps[1], "key remove"), &[(" ID", &format!(" {}", in_use(&last)))], "");
    reader.follows(&only(&steps[1], "key remove"), &[(" ID", &format!(" {old}"))], "");
    let last = reader.follows(&only(&steps[1], "key list"), &[], "");
    assert!(!last.contains(&old), "{last}");
    reader.follows(&only(&steps[1], "delete"), &[], "");
}
