//! compose.yaml: no shell, the roles' variables as the binary takes them, and the time to stop that it says.

use serde_json::Value;

use super::environment::{bench, is_known, print_config};
use super::helm::repository;

const ROLES: [&str; 5] = ["bootstrap", "web", "worker", "scheduler", "socketio"];

/// The file as YAML has it: anchors and merge keys resolved.
fn compose(name: &str) -> Value {
    let text = std::fs::read_to_string(repository().join("docker").join(name)).expect(name);
    let mut value: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text).expect(name);
    value.apply_merge().expect("merge keys");
    serde_json::to_value(value).expect("JSON")
}

/// `${NAME:-default}` as compose reads it without an .env file.
fn defaults(text: &str) -> String {
    let Some((before, rest)) = text.split_once("${") else { return text.to_owned() };
    let (inner, after) = rest.split_once('}').expect("a closed variable");
    let (_, default) = inner.split_once(":-").or_else(|| inner.split_once('-')).unwrap_or((inner, ""));
    format!("{before}{default}{}", defaults(after))
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().expect("a list").iter().map(|word| word.as_str().expect("a word").to_owned()).collect()
}

fn variables(service: &Value) -> Vec<(String, String)> {
    let list = service["environment"].as_object().expect("variables");
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), defaults);
    list.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn seconds(text: &str) -> u64 {
    let (number, unit) = text.split_at(text.len() - 1);
    number.parse::<u64>().expect("a number") * if unit == "m" { 60 } else { 1 }
}

#[test]
fn the_binary_takes_what_compose_gives_it() {
    let bench = bench();
    let file = compose("compose.yaml");
    let all = compose("compose.all.yaml");
    let mut merged = variables(&file["services"]["web"]);
    for (name, value) in variables(&all["services"]["web"]) {
        merged.retain(|(given, _)| *given != name);
        merged.push((name, value));
    }
    let services =
        ROLES.map(|role| (words(&file["services"][role]["command"]), variables(&file["services"][role])));
    let in_one = (words(&all["services"]["web"]["command"]), merged);
    for (command, given) in services.into_iter().chain([in_one]) {
        for (name, _) in &given {
            assert!(is_known(name), "{command:?}: {name} is not in docs/configuration.md");
        }
        let (code, said) = print_config(bench.path(), &command, &given);
        assert_eq!(code, 0, "{command:?}: {said}");
    }
}

/// A role that is told the list waits for its apps and runs them at their pins; else it takes what others installed.
#[test]
fn every_role_is_told_the_apps_and_the_url_and_the_bootstrap_alone_the_logins_of_git() {
    let file = compose("compose.yaml");
    let of = |service: &Value, name: &str| service["environment"][name].as_str().map(str::to_owned);
    for role in ROLES {
        for (name, of_env) in [
            ("CAULDRON_APPS", "CAULDRON_APPS"),
            ("CAULDRON_APPS_UPDATE", "CAULDRON_APPS_UPDATE"),
            // A leader writes host_name down; others only see that theirs differs.
            ("CAULDRON_SITE_URL", "SITE_URL"),
        ] {
            assert_eq!(of(&file["services"][role], name), Some(format!("${{{of_env}:-}}")), "{role}");
        }
        assert_eq!(of(&file["services"][role], "CAULDRON_GIT_AUTH"), None, "{role}");
    }
    let git = compose("compose.git.yaml");
    assert_eq!(git["services"].as_object().expect("services").len(), 1, "the bootstrap alone");
    let bench = bench();
    let bootstrap = &git["services"]["bootstrap"];
    let mut given = variables(&file["services"]["bootstrap"]);
    given.extend(variables(bootstrap));
    let (code, said) = print_config(bench.path(), &["bootstrap".to_owned()], &given);
    assert_eq!(code, 0, "{said}");
    let auth: Value =
        serde_json::from_str(&defaults(&of(bootstrap, "CAULDRON_GIT_AUTH").expect("logins"))).expect("JSON");
    let secret = words(&bootstrap["secrets"]).remove(0);
    assert_eq!(auth["github.com"]["token_file"], format!("/run/secrets/{secret}"));
    assert!(git["secrets"][&secret]["file"].is_string());
}

/// Frappe's node server asks the web role whose page it is: by the service's name, at the port in its container.
#[test]
fn socketio_asks_the_web_service() {
    let services = compose("compose.yaml")["services"].clone();
    assert_eq!(services["socketio"]["environment"]["CAULDRON_WEB_URL"], "http://web:8000");
    assert!(words(&services["web"]["ports"])[0].ends_with(":8000"));
}

#[test]
fn no_command_is_a_shells() {
    let file = compose("compose.yaml");
    for (name, service) in file["services"].as_object().expect("services") {
        let mut all =
            words(&service["healthcheck"].get("test").cloned().unwrap_or_else(|| Value::Array(vec![])));
        assert!(all.first().is_none_or(|kind| kind == "CMD"), "{name}: CMD-SHELL is a shell");
        all.extend(service.get("command").map(words).unwrap_or_default());
        assert!(service["entrypoint"].is_null(), "{name}");
        for word in all {
            assert!(!["sh", "bash", "-c", "&&", ";"].contains(&word.as_str()), "{name}: {word}");
        }
    }
}

#[test]
fn roles_are_stopped_no_sooner_than_they_need() {
    let file = compose("compose.yaml");
    for role in ROLES {
        let service = &file["services"][role];
        let stop = seconds(service["stop_grace_period"].as_str().expect("a time to stop"));
        let grace = variables(service)
            .iter()
            .find(|(name, _)| name == "CAULDRON_GRACE")
            .map_or(10, |(_, g)| seconds(g));
        assert!(stop >= grace + 10, "{role}: {stop} s for a grace of {grace} s");
    }
}

#[test]
fn the_bootstrap_alone_has_the_administrators_logins() {
    let file = compose("compose.yaml");
    for role in ROLES {
        let has = variables(&file["services"][role]).iter().any(|(name, _)| name.ends_with("PASSWORD"));
        assert_eq!(has, role == "bootstrap", "{role}");
    }
}

/// The image is given the administrator's password: it is built here, under a name that no registry has.
#[test]
fn the_image_is_built_and_cannot_be_pulled() {
    let file = compose("compose.yaml");
    for role in ROLES {
        let service = &file["services"][role];
        let image = defaults(service["image"].as_str().expect("an image"));
        assert!(image.starts_with("localhost/"), "{role}: {image}");
        assert_eq!(service["pull_policy"].as_str().map(defaults).as_deref(), Some("build"), "{role}");
        assert_eq!(service["build"]["dockerfile"], "docker/Dockerfile", "{role}");
    }
    // No page, comment or file of ours names an image that anybody could register.
    for name in [
        "README.md",
        "docs/moving.md",
        "docs/operations.md",
        "docker/Dockerfile",
        "docker/compose.yaml",
        "docker/.env.example",
        "charts/cauldron-frappe/README.md",
        "charts/cauldron-frappe/INSTALLATION.md",
        "charts/cauldron-frappe/values.yaml",
        "charts/cauldron-frappe/values-dev.yaml",
        "charts/cauldron-frappe/values-staging.yaml",
        "charts/cauldron-frappe/values-prod.yaml",
    ] {
        let text = std::fs::read_to_string(repository().join(name)).expect(name);
        let bare = text.replace("localhost/cauldron-frappe", "");
        for published in ["cauldron-frappe/erpnext", "cauldron-frappe:0", "-t cauldron-frappe", "-t erpnext"]
        {
            assert!(!bare.contains(published), "{name} names {published}");
        }
    }
}

/// What .env.example says are the defaults are.
#[test]
fn the_example_says_the_defaults() {
    let example = std::fs::read_to_string(repository().join("docker/.env.example")).expect("the example");
    let read = |name| std::fs::read_to_string(repository().join("docker").join(name)).expect(name);
    let text = read("compose.yaml") + &read("compose.git.yaml");
    for line in example.lines().filter(|line| !line.starts_with('#') && line.contains('=')) {
        let (name, value) = line.split_once('=').expect("a variable");
        let value = value.trim_matches('"');
        // Without the colon an empty value counts.
        let read = [":-", "-"].map(|sign| format!("${{{name}{sign}"));
        assert!(read.iter().any(|start| text.contains(start)), "{name} is read nowhere");
        let same = read.iter().any(|start| text.contains(&format!("{start}{value}}}")));
        assert!(same || name == "SITE_URL", "{name}={value} is not the default");
    }
}
