//! Private repositories over SSH: a deploy key and a known host key for each host.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::apps_bench::{AppsBench, done, refused, wanted};
use crate::support::git::{GitSsh, Repository};

#[test]
fn a_deploy_key_gives_access_to_a_known_host() {
    let Some(server) = GitSsh::start("a_deploy_key_gives_access_to_a_known_host") else { return };
    let (apps, repository) = (AppsBench::new(), Repository::with_app("shop"));
    let auth = |key: &str, hosts: &str| json!({"127.0.0.1": {"ssh_key_file": server.file(key), "known_hosts_file": server.file(hosts)}});
    let fetch = apps.fetch(&wanted(&server.url(&repository)));
    // Like a mounted secret: readable for others, and without the last line end.
    let pasted = fs::read_to_string(server.file("user")).unwrap();
    fs::write(server.file("pasted"), pasted.trim_end()).unwrap();
    fs::set_permissions(server.file("pasted"), fs::Permissions::from_mode(0o644)).unwrap();
    refused(
        &fetch.clone().set("CAULDRON_GIT_AUTH", auth("pasted", "other_hosts")).run(),
        78,
        &["Host key verification failed", "known_hosts", "refusal: git-host-unknown"],
    );
    refused(
        &fetch.clone().set("CAULDRON_GIT_AUTH", auth("host", "known_hosts")).run(),
        77,
        &["Permission denied", "CAULDRON_GIT_AUTH", "refusal: git-login-refused"],
    );
    assert!(apps.bundles().is_empty());
    done(fetch.set("CAULDRON_GIT_AUTH", auth("pasted", "known_hosts")).run());
    assert_eq!(apps.manifest()["commit"], repository.head());
}
