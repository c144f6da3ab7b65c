//! docker/Dockerfile's stage `apps`: an app from a private repository in the image, and no trace of the token.

use std::time::Duration;

use serde_json::{Value, json};

use crate::all::All;
use crate::made::{dockerfile, images};
use crate::podman::{command, output, podman};
use crate::servers::Servers;
use crate::support::git::{GitHttp, Repository};
use crate::support::http;
use crate::support::made_app::MadeApp;

const NAME: &str = "cauldron-test-apps";
const IMAGE: &str = "localhost/cauldron-test/apps";
const USER: &str = "oauth2";
const TOKEN: &str = "canary-TOKEN-4711";

fn repository_of(app: &MadeApp) -> Repository {
    let repository = Repository::empty();
    app.write(repository.path());
    repository.write(format!("{0}/public/js/{0}.bundle.js", app.name), "let price = 1;\n");
    repository.commit("the app");
    repository
}

/// Everything that `podman save` writes: configuration, history, and each layer as a tar.
fn saved() -> Vec<u8> {
    let saved =
        command("podman").args(["save", "--format=docker-archive", IMAGE]).output().expect("podman runs");
    assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
    saved.stdout
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

struct Image;

impl Drop for Image {
    fn drop(&mut self) {
        output(&["rmi", "--force", IMAGE]);
    }
}

#[test]
fn an_app_is_baked_with_a_token_that_is_in_no_layer() {
    if !images("an_app_is_baked_with_a_token_that_is_in_no_layer") {
        return;
    }
    let shop = MadeApp::new("shop", "1.0.0");
    let repository = repository_of(&shop);
    let server = GitHttp::serve(&repository, USER, TOKEN);
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let apps = file("apps.json", &json!([{"url": server.url(), "branch": "main"}]).to_string());
    let apps = format!("--secret=id=apps,src={apps}");
    let token = format!("--secret=id=git-token,src={}", file("token", TOKEN));
    let host = format!("--build-arg=GIT_HOST={}", server.host());
    // The server is this machine's.
    let common = ["--network=host", &apps, &host];

    let _image = Image;
    let refused = dockerfile("apps", IMAGE, &common);
    assert!(!refused.status.success(), "the repository is not private");
    let built = dockerfile("apps", IMAGE, &[&common[..], &[&token]].concat());
    let said = [built.stdout, built.stderr].concat();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&said));
    drop(server);

    use base64::Engine;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{TOKEN}"));
    let layers = saved();
    assert!(holds(&layers, "let price"), "the control: layers can be looked through");
    for secret in [TOKEN, &encoded] {
        assert!(!holds(&said, secret), "the build's output has the token");
        assert!(!holds(&layers, secret), "a layer has the token");
    }

    // Nobody tells the pods any list, and there is no repository any more.
    let servers = Servers::start("apps");
    let all = All::start(NAME, IMAGE, &servers);
    let answer =
        http::get_at(all.web(), "erp.localhost", "/api/method/shop.tasks.version", Duration::from_secs(10));
    let answer = answer.expect("an answer of the app");
    assert!(answer.status == 200 && answer.body.contains("1.0.0"), "{} {}", answer.status, answer.body);
    let report: Value =
        serde_json::from_str(&podman(&["exec", NAME, "cauldron-frappe", "apps", "list", "--format=json"]))
            .expect("one JSON object");
    let rows = report["apps"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["app"] == "shop").expect("the app");
    assert_eq!((&row["installed"], &row["version"]), (&json!(true), &json!("1.0.0")), "{row}");
    assert!(row["bundle"].as_str().is_some_and(|path| !path.contains("/sites/")), "of the image: {row}");
}
