//! Certificates and logins from Secrets: each is mounted where it is named, with what the binary reads.

use serde_json::{Value, json};

use super::environment::{bench, print_config, variables};
use super::helm::{Chart, Objects, container, containers, variable};

/// Every path that a variable names, in a mount of its container whose volume is that Secret.
fn is_mounted(pod: &Value, container: &Value, path: &str, source: &str) {
    let mounts = container["volumeMounts"].as_array().expect("mounts");
    let under =
        |mount: &&Value| path.starts_with(&format!("{}/", mount["mountPath"].as_str().expect("a path")));
    let mount = mounts.iter().find(under).unwrap_or_else(|| panic!("{path} is not mounted"));
    assert_eq!(mount["readOnly"], true);
    let volumes = pod["spec"]["volumes"].as_array().expect("volumes");
    let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).expect("a volume");
    assert!(volume["secret"]["secretName"] == source || volume["configMap"]["name"] == source, "{volume}");
}

#[test]
fn what_every_role_needs_is_in_every_container() {
    let Some(chart) = Chart::new("what_every_role_needs_is_in_every_container") else { return };
    let objects = chart
        .set("frappe.db.caConfigMap", json!("pg-ca"))
        .set("frappe.db.clientCertSecret", json!("pg-client"))
        .set("frappe.redis.caSecret", json!("redis-ca"))
        .objects();
    for (role, pod) in objects.pods() {
        for container in containers(pod) {
            for (name, source) in [
                ("DB_SSLROOTCERT", "pg-ca"),
                ("DB_SSLCERT", "pg-client"),
                ("DB_SSLKEY", "pg-client"),
                ("REDIS_TLS_CA", "redis-ca"),
            ] {
                let path = variable(container, name).unwrap_or_else(|| panic!("{role}: no {name}"));
                is_mounted(pod, container, &path, source);
            }
        }
        let volumes = pod["spec"]["volumes"].as_array().expect("volumes");
        let client = volumes.iter().find(|volume| volume["name"] == "db-client").expect("a volume");
        // Of root and the pod's group: libpq and node refuse a key that others can read.
        assert_eq!(client["secret"]["defaultMode"], 0o440, "{role}");
    }
}

#[test]
fn the_web_port_speaks_tls_and_socketio_trusts_it() {
    let Some(chart) = Chart::new("the_web_port_speaks_tls_and_socketio_trusts_it") else { return };
    let chart = chart.set("frappe.web.tlsSecret", json!("web-tls"));
    let url = |objects: &Objects| variable(container(objects.pod("socketio")), "CAULDRON_WEB_URL");
    let public = chart.objects();
    assert_eq!(url(&public).as_deref(), Some("https://erp-cauldron-frappe-web:8000"));
    assert_eq!(variable(container(public.pod("socketio")), "CAULDRON_WEB_CA"), None, "the system's");
    let annotation = "traefik.ingress.kubernetes.io/service.serversscheme";
    assert_eq!(public.get("Service", "-web")["metadata"]["annotations"][annotation], "https");
    let nginx = chart.clone().set("frappe.ingress.className", json!("nginx")).objects();
    let ingress = &nginx.get("Ingress", "")["metadata"]["annotations"];
    assert_eq!(ingress["nginx.ingress.kubernetes.io/backend-protocol"], "HTTPS");
    for objects in [&public, &chart.set("frappe.web.tlsPrivateCa", json!(true)).objects()] {
        let web = objects.pod("web");
        for name in ["CAULDRON_TLS_CERT", "CAULDRON_TLS_KEY"] {
            is_mounted(web, container(web), &variable(container(web), name).expect(name), "web-tls");
        }
        // Nobody else gets the key.
        for (role, pod) in objects.pods().into_iter().filter(|(role, _)| role != "web") {
            let volumes = pod["spec"]["volumes"].as_array().expect("volumes");
            let of_web = volumes.iter().filter(|volume| volume["secret"]["secretName"] == "web-tls");
            for volume in of_web {
                assert_eq!(volume["secret"]["items"], json!([{"key": "ca.crt", "path": "ca.crt"}]), "{role}");
                let ca = variable(container(pod), "CAULDRON_WEB_CA").expect("the CA");
                is_mounted(pod, container(pod), &ca, "web-tls");
            }
        }
    }
    assert_eq!(
        url(&Chart::new("").expect("helm").objects()).as_deref(),
        Some("http://erp-cauldron-frappe-web:8000")
    );
}

#[test]
fn a_secret_has_the_whole_address_of_the_database() {
    let Some(chart) = Chart::new("a_secret_has_the_whole_address_of_the_database") else { return };
    let chart =
        chart.set("frappe.db.secret", json!("erp-db-app")).set("frappe.db.secretKeys.user", json!("owner"));
    let objects = chart.objects();
    for (role, pod) in objects.pods() {
        for (name, key) in [
            ("DB_HOST", "host"),
            ("DB_PORT", "port"),
            ("DB_NAME", "dbname"),
            ("DB_USER", "owner"),
            ("DB_PASSWORD", "password"),
        ] {
            let given = variable(container(pod), name);
            let of_leader = ["DB_USER", "DB_PASSWORD"].contains(&name);
            assert_eq!(given.is_some(), role == "bootstrap" || !of_leader, "{role}: {name}");
            let wanted = json!({"secretKeyRef": {"key": key, "name": "erp-db-app"}}).to_string();
            assert!(given.is_none_or(|given| given == wanted), "{role}: {name}");
        }
    }
}

/// What values-minimal.yaml makes of CloudNativePG's Secret is what the binary takes.
#[test]
fn the_minimal_values_are_enough() {
    let Some(chart) = Chart::new("the_minimal_values_are_enough") else { return };
    let objects = chart.overlay("minimal").objects();
    let bench = bench();
    for (role, pod) in objects.pods() {
        let main = container(pod);
        let mut given = variables(main);
        // As CloudNativePG has it: the owner has the name of the database.
        let of_secret =
            [("DB_HOST", "erp-db-rw"), ("DB_PORT", "5432"), ("DB_NAME", "app"), ("DB_USER", "app")];
        for (name, value) in of_secret {
            given.iter_mut().filter(|(of, _)| of == name).for_each(|(_, of)| value.clone_into(of));
        }
        let (code, said) = print_config(bench.path(), std::slice::from_ref(&role), &given);
        assert_eq!(code, 0, "{role}: {said}");
    }
}

/// A secret in a file replaces the chart's variable of that name.
#[test]
fn secrets_may_be_files() {
    let Some(chart) = Chart::new("secrets_may_be_files") else { return };
    let objects = chart
        .set(
            "frappe.bootstrap.extraEnv",
            json!([{"name": "DB_PASSWORD_FILE", "value": "/run/secrets/db/password"}]),
        )
        .set(
            "frappe.bootstrap.extraVolumes",
            json!([{"name": "db", "csi": {"driver": "secrets-store.csi.k8s.io"}}]),
        )
        .set("frappe.bootstrap.extraVolumeMounts", json!([{"name": "db", "mountPath": "/run/secrets/db"}]))
        .objects();
    for (role, pod) in objects.pods() {
        let main = container(pod);
        assert_eq!(variable(main, "DB_PASSWORD_FILE").is_some(), role == "bootstrap", "{role}");
        assert_eq!(variable(main, "DB_PASSWORD"), None, "{role}");
        assert_eq!(pod.to_string().contains("secrets-store.csi.k8s.io"), role == "bootstrap", "{role}");
    }
}
