//! values.yaml, its schema and the README say the same, and what a value says is done.

use serde_json::{Value, json};

use super::helm::{Chart, chart};

/// Of 0.1.0, and read for nothing: README.md says so.
const WITHOUT_EFFECT: [&str; 5] =
    ["environment", "developerMode", "serveDefaultSite", "autoUpdate", "shallowClone"];

fn yaml(name: &str) -> Value {
    let text = std::fs::read_to_string(chart().join(name)).expect(name);
    serde_yaml_ng::from_str(&text).expect(name)
}

fn file(name: &str) -> String {
    std::fs::read_to_string(chart().join(name)).expect(name)
}

/// Every value that is no object, by its path.
fn leaves(value: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    match value.as_object().filter(|object| !object.is_empty()) {
        Some(object) => {
            for (key, value) in object {
                let key = key.replace('.', "\\.");
                leaves(value, &if path.is_empty() { key } else { format!("{path}.{key}") }, found);
            }
        }
        None => found.push((path.to_owned(), value.clone())),
    }
}

fn all_leaves() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    leaves(&yaml("values.yaml"), "", &mut found);
    assert!(found.len() > 100);
    found
}

#[test]
fn the_schema_knows_every_value_and_no_other() {
    let schema: Value = serde_json::from_str(&file("values.schema.json")).expect("JSON");
    fn compare(value: &Value, schema: &Value, path: &str) {
        let (Some(value), Some(known)) = (value.as_object(), schema["properties"].as_object()) else {
            return;
        };
        for (key, value) in value {
            assert!(known.contains_key(key), "{path}.{key} is not in the schema");
            compare(value, &known[key], &format!("{path}.{key}"));
        }
        // `global` is every chart's; elsewhere a misspelt name is an error.
        let open = path == ".global";
        assert!(open || schema["additionalProperties"] == false, "{path} takes any name");
        for key in known.keys().filter(|key| !value.contains_key(*key)) {
            // 0.1.0's, which values files still have; what Helm reads for a parent chart's condition; and the values of
            // pods, whose defaults are those of all roles (tests/chart/reach.rs).
            let of_pods = known[key]["$ref"].is_string() && path.matches('.').count() == 2;
            let old = of_pods
                || path.is_empty() && key == "enabled"
                || path.starts_with(".frappe.initContainers.")
                    && ["image", "command"].contains(&key.as_str());
            assert!(old, "{path}.{key} has no default in values.yaml");
        }
    }
    compare(&yaml("values.yaml"), &schema, "");
    let definitions = schema["definitions"].as_object().expect("definitions");
    let open = definitions
        .iter()
        .filter(|(_, of)| of["properties"].is_object() && of["additionalProperties"] != false);
    assert_eq!(open.map(|(name, _)| name).collect::<Vec<_>>(), [""; 0]);
}

/// With everything on that is off by default, a change of each value is seen in what is rendered.
#[test]
fn every_value_has_an_effect() {
    let Some(chart) = Chart::new("every_value_has_an_effect") else { return };
    let on = [
        "autoscaling.web.enabled",
        "autoscaling.worker.enabled",
        "networkPolicy.enabled",
        "networkPolicy.egress.enabled",
        "metrics.serviceMonitor.enabled",
        "metrics.prometheusRule.enabled",
        "metrics.dashboard.enabled",
    ]
    .map(|path| format!("frappe.{path}"));
    let everything = on.iter().fold(chart.clone(), |chart, path| chart.set(path, json!(true)));
    let (plain, full) = (chart.text(), everything.text());
    let other = |path: &str, value: &Value| match path.rsplit('.').next().expect("a name") {
        "imagePullPolicy" | "pullPolicy" => json!("Always"),
        "digest" => json!(format!("sha256:{}", "a".repeat(64))),
        "url" => json!("https://other.example.com"),
        "sslMode" => json!("require"),
        "accessMode" => json!("ReadWriteMany"),
        "type" if path == "frappe.service.type" => json!("NodePort"),
        "hosts" if path == "frappe.ingress.hosts" => {
            json!([{"host": "x", "paths": [{"path": "/", "pathType": "Prefix"}]}])
        }
        "tls" => json!([{"secretName": "x", "hosts": ["cauldron.local"]}]),
        "socketio" if path == "frappe.ingress.socketio" => json!("socketio"),
        "apps" | "customApps" => json!([{"name": "x", "repo": "https://h/x.git"}]),
        "mode" => json!("inline"),
        "kind" => json!("hpa"),
        "size" => json!("11Gi"),
        "extraEnv" => json!([{"name": "X", "value": "y"}]),
        "extraEnvFrom" => json!([{"secretRef": {"name": "x"}}]),
        // A mount needs a volume of the pod: the chart's own.
        "extraVolumeMounts" => json!([{"name": "frappe-data", "mountPath": "/x"}]),
        "extraVolumes" | "extraInitContainers" | "extraContainers" => {
            json!([{"name": "x", "mountPath": "/x", "image": "x"}])
        }
        "hostAliases" => json!([{"ip": "192.0.2.1", "hostnames": ["x"]}]),
        "affinity" => json!({"nodeAffinity": {"x": "y"}}),
        "lifecycle" => json!({"preStop": {"x": "y"}}),
        "dnsPolicy" => json!("Default"),
        "dnsConfig" => json!({"searches": ["x"]}),
        "parentRefs" => json!([{"name": "x"}]),
        "hostnames" => json!(["x"]),
        "className" if path == "frappe.httpRoute.className" => json!("nginx"),
        "gunicornTimeout" => json!("5m"),
        "runtimeSize" => json!("2Gi"),
        "ttlSecondsAfterFinished" => json!(3600),
        "service" => json!({"loadBalancerIP": "192.0.2.1"}),
        "deployments" => json!({"x": {"pools": "x=1"}}),
        "directPort" | "gunicornWorkers" | "gunicornThreads" => json!(7),
        _ => match value {
            Value::Bool(flag) => json!(!flag),
            Value::Number(number) => json!(number.as_i64().expect("a whole number") + 1),
            Value::String(text) => json!(format!("{text}x")),
            Value::Array(list) => json!([&list[..], &[json!({"x": "y"})]].concat()),
            _ => json!({"x": "y"}),
        },
    };
    for (path, value) in all_leaves() {
        let last = path.rsplit('.').next().expect("a name");
        let changed = match path.as_str() {
            // Switched on above; two owners of one figure; a claim for one pod; what only a Secret of URLs has.
            _ if on.contains(&path) => everything.clone().set(&path, json!(false)).text() != full,
            "frappe.replicas.web" | "frappe.replicas.worker" => {
                chart
                    .clone()
                    .set("frappe.persistence.accessMode", json!("ReadWriteMany"))
                    .set(&path, json!(4))
                    .text()
                    != plain
            }
            "frappe.persistence.enabled" => {
                chart.clone().set(&path, json!(false)).refusal().contains("5 pods")
            }
            "frappe.persistence.accessMode" => {
                chart.clone().set(&path, json!("ReadWriteMany")).text() != plain
            }
            "frappe.redis.cacheUrlKey" | "frappe.redis.queueUrlKey" => {
                let urls = chart.clone().set("frappe.redis.urlSecret", json!("urls"));
                urls.clone().set(&path, json!("other")).text() != urls.text()
            }
            _ if path.starts_with("frappe.db.secretKeys.") => {
                let secret = chart.clone().set("frappe.db.secret", json!("db"));
                secret.clone().set(&path, json!("other")).text() != secret.text()
            }
            "frappe.web.tlsPrivateCa" => {
                let tls = chart.clone().set("frappe.web.tlsSecret", json!("tls"));
                tls.clone().set(&path, json!(true)).text() != tls.text()
            }
            _ if path.starts_with("frappe.httpRoute.") => {
                let route = json!({"enabled": true, "parentRefs": [{"name": "public"}]});
                let on = chart.clone().set("frappe.httpRoute", route);
                let other = if path.ends_with("enabled") { json!(false) } else { other(&path, &value) };
                on.clone().set(&path, other).text() != on.text()
            }
            _ if path.starts_with("frappe.backup.") || path.starts_with("frappe.resources.backup.") => {
                let there = json!([{"to": [{"ipBlock": {"cidr": "192.0.2.1/32"}}]}]);
                let backup = json!({"enabled": true, "to": "s3:h/b", "passwordSecret": "p", "credentialsSecret": "c",
                    "verify": {"enabled": true, "scratchDbUrlSecret": "s"}, "egress": there});
                let on = everything.clone().set("frappe.backup", backup);
                let other = match last {
                    "enabled" => json!(false),
                    "egress" => json!([]),
                    "scratchSize" => json!("1Gi"),
                    _ => other(&path, &value),
                };
                on.clone().set(&path, other).text() != on.text()
            }
            _ if path.starts_with("frappe.restore.") => {
                let on =
                    everything.clone().set("frappe.backup", json!({"to": "s3:h/b", "passwordSecret": "p"}));
                let on = on.set("frappe.restore", json!({"from": "a", "only": "database", "confirm": "b"}));
                on.clone().set(&path, json!("files")).text() != on.text()
            }
            // Either of them keeps the one init container.
            "frappe.initContainers.waitForDb.enabled" | "frappe.initContainers.waitForRedis.enabled" => {
                let none = json!({"waitForDb": {"enabled": false}, "waitForRedis": {"enabled": false}});
                !chart.clone().set("frappe.initContainers", none).text().contains("wait-deps")
            }
            "frappe.worker.queues" => chart.clone().set(&path, json!(["default"])).text() != plain,
            _ => everything.clone().set(&path, other(&path, &value)).text() != full,
        };
        assert_eq!(changed, !WITHOUT_EFFECT.contains(&last), "{path}: {value}");
    }
    let readme = file("README.md");
    let told = readme.split("without effect").nth(1).expect("what has no effect");
    for name in WITHOUT_EFFECT {
        assert!(told.contains(name), "README.md does not say that {name} has no effect");
    }
}

/// The README's table names values that there are, and says their defaults.
#[test]
fn the_readme_names_values_that_there_are() {
    let readme = file("README.md");
    let table = readme.split("## Values").nth(1).expect("the table");
    let values = yaml("values.yaml");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let mut looked_at = 0;
    for row in rows {
        let mut base = String::new();
        for word in row.split('|').nth(1).expect("a cell").split('`').skip(1).step_by(2) {
            let path = match word.strip_prefix('.') {
                Some(rest) => format!("{}.{rest}", base.rsplit_once('.').expect("a path").0),
                None => word.to_owned(),
            };
            base.clone_from(&path);
            let roles: &[&str] =
                if path.contains("<role>") { &["web", "worker", "scheduler", "socketio"] } else { &[""] };
            for role in roles {
                let path = path.replace("<role>", role).replace(".*", "");
                let found = path.split('.').try_fold(&values, |value, key| value.get(key));
                assert!(found.is_some(), "{path} of the README is not in values.yaml");
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 20);
}
