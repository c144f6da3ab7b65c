//! The chart's pods as they are rendered, under `podman kube play`, on real servers that go away for a minute.
//!
//! Not as in a cluster: Services are the pods' own names, fsGroup is not done (a new volume has the owner that the image's
//! folder has), probes are the test's (kubelet.rs), and a Job is played as its pod.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kubelet::Kubelet;
use crate::made::{FRAPPE, images};
use crate::podman::{
    address, command, exit, log, output, podman, repository, status, stop, writes_what_a_bench_writes,
};
use crate::servers::{PASSWORD, Servers};
use crate::wait::eventually;

const ROLES: [&str; 4] = ["web", "worker", "scheduler", "socketio"];
const SECRET: &str = "cauldron-secrets";
const SITE: &str = "cauldron.local";
const OUTAGE: Duration = Duration::from_secs(60);

/// What Helm renders for the default values, with the image of these tests.
fn rendered(test: &str) -> Option<Vec<Value>> {
    let helm = repository().join("target/tools/helm");
    if !helm.exists() {
        eprintln!("SKIPPED {test}: no helm (make install-images)");
        return None;
    }
    let output = std::process::Command::new(helm)
        .args(["template", "erp", "charts/cauldron-frappe", "--namespace=cauldron"])
        .arg(format!(
            "--set=frappe.image.repository={FRAPPE},frappe.image.tag=latest,global.imagePullPolicy=Never"
        ))
        .current_dir(repository())
        .output()
        .expect("helm runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let read = |document| <Value as serde::Deserialize>::deserialize(document).expect("YAML");
    Some(serde_yaml_ng::Deserializer::from_str(&text).map(read).collect())
}

/// A Deployment's or Job's pod, by the name of its Service.
fn pod(objects: &[Value], role: &str) -> Value {
    let is_it = |object: &&Value| {
        ["Deployment", "Job"].iter().any(|kind| object["kind"] == *kind)
            && object["metadata"]["labels"]["app.kubernetes.io/component"] == role
    };
    let template = objects.iter().find(is_it).expect("a role")["spec"]["template"].clone();
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]})
}

fn pod_name(role: &str) -> String {
    format!("erp-cauldron-frappe-{role}")
}

/// podman 4.3 takes these otherwise than a kubelet: an emptyDir is a volume that all pods share by its name, a port is
/// taken on the host, and a restart policy holds for init containers too.
fn for_podman(mut pod: Value, role: &str, dns: &str) -> Value {
    pod["metadata"]["name"] = pod_name(role).into();
    let spec = pod["spec"].as_object_mut().expect("a spec");
    spec.insert("restartPolicy".into(), "Never".into());
    spec.insert("dnsPolicy".into(), "None".into());
    spec.insert("dnsConfig".into(), json!({"nameservers": [dns]}));
    let own = |name: &Value| Value::from(format!("erp-{role}-{}", name.as_str().expect("a name")));
    for volume in spec["volumes"].as_array_mut().expect("volumes") {
        if !volume["emptyDir"].is_null() {
            volume["name"] = own(&volume["name"]);
        }
    }
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            container.as_object_mut().expect("a container").remove("ports");
            for mount in container["volumeMounts"].as_array_mut().expect("mounts") {
                if mount["name"] != "frappe-data" {
                    mount["name"] = own(&mount["name"]);
                }
            }
        }
    }
    pod
}

/// The release, removed when dropped.
struct Release {
    servers: Servers,
    objects: Vec<Value>,
}

impl Release {
    fn new(objects: Vec<Value>) -> Self {
        let release = Self { servers: Servers::start("kube"), objects };
        release.remove();
        // podman 4.3 reads a Secret's keys back from JSON only.
        let secret = json!({"db-root-password": encode(PASSWORD), "admin-password": encode("admin")});
        let mut create = command("podman")
            .args(["secret", "create", SECRET, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("podman runs");
        create.stdin.take().expect("a pipe").write_all(secret.to_string().as_bytes()).expect("a secret");
        assert!(create.wait().expect("an end").success(), "no secret");
        let claim = release.objects.iter().find(|object| object["kind"] == "PersistentVolumeClaim");
        release.play(claim.expect("a claim"));
        release
    }

    fn play(&self, object: &Value) {
        let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a file");
        file.write_all(object.to_string().as_bytes()).expect("a file");
        let network = format!("--network={}", self.servers.network);
        let path = file.path().to_str().expect("a path");
        podman(&["kube", "play", &network, "--log-driver=k8s-file", path]);
    }

    fn start(&self, role: &str) {
        self.play(&for_podman(pod(&self.objects, role), role, &self.servers.dns));
    }

    fn container(role: &str) -> String {
        format!("{}-{}", pod_name(role), if role == "web" { "frappe" } else { role })
    }

    fn address(role: &str, port: u16) -> std::net::SocketAddr {
        address(&podman(&["pod", "inspect", "--format={{.InfraContainerID}}", &pod_name(role)]), port)
    }

    fn remove(&self) {
        for role in ROLES.iter().chain(["bootstrap"].iter()) {
            output(&["pod", "rm", "--force", "--time=0", &pod_name(role)]);
        }
        let volumes = podman(&["volume", "ls", "--quiet", "--filter=name=^erp-"]);
        for volume in volumes.lines() {
            output(&["volume", "rm", "--force", volume]);
        }
        output(&["secret", "rm", SECRET]);
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        self.remove();
    }
}

fn encode(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn started_at(role: &str) -> String {
    podman(&["inspect", "--type=container", "--format={{.State.StartedAt}}", &Release::container(role)])
}

#[test]
fn the_rendered_pods_live_through_the_loss_of_their_servers() {
    const TEST: &str = "the_rendered_pods_live_through_the_loss_of_their_servers";
    if !images(TEST) {
        return;
    }
    let Some(objects) = rendered(TEST) else { return };
    let release = Release::new(objects);
    // Pods wait for the database's state: those that follow are there first.
    for role in ROLES {
        release.start(role);
    }
    let kubelets: Vec<(&str, Kubelet)> = ROLES
        .iter()
        .map(|role| {
            let container = pod(&release.objects, role)["spec"]["containers"][0].clone();
            (*role, Kubelet::start(&container, Release::address(role, 9180)))
        })
        .collect();
    let all_ready = |what: &str, deadline: Duration| {
        for (role, kubelet) in &kubelets {
            eventually(deadline, &format!("{role} is ready {what}"), || {
                assert_eq!(
                    exit(&Release::container(role)),
                    None,
                    "{role}: {}",
                    log(&Release::container(role))
                );
                kubelet.seen().ready.then_some(())
            });
        }
    };
    for (role, kubelet) in &kubelets {
        eventually(Duration::from_secs(60), &format!("{role} has started"), || {
            kubelet.seen().started.then_some(())
        });
        assert!(!kubelet.seen().ready, "{role} is ready without a site");
    }
    release.start("bootstrap");
    let job = Release::container("bootstrap");
    let code = eventually(Duration::from_secs(180), "the end of the bootstrap", || exit(&job));
    assert_eq!(code, 0, "{}", log(&job));
    all_ready("at first", Duration::from_secs(120));
    for role in ROLES {
        writes_what_a_bench_writes(&Release::container(role), "/run/cauldron");
    }
    let web = Release::address("web", 8000);
    assert_eq!(status(web, SITE, "/api/method/ping"), 200);
    assert_eq!(
        status(web, SITE, "/socket.io/?EIO=4&transport=polling"),
        200,
        "through the front to the Service"
    );

    let before = ROLES.map(started_at);
    let began = Instant::now();
    for server in release.servers.all() {
        podman(&["stop", "--time=20", &server]);
    }
    // The control: the loss is seen where it should be.
    let (_, web_kubelet) = &kubelets[0];
    eventually(OUTAGE, "web is not ready without PostgreSQL", || {
        (web_kubelet.seen().unready > 0).then_some(())
    });
    eventually(OUTAGE * 2, "the end of the outage", || (began.elapsed() >= OUTAGE).then_some(()));
    for server in release.servers.all() {
        podman(&["start", &server]);
    }
    let back = Instant::now();
    all_ready("again", Duration::from_secs(120));
    eventually(Duration::from_secs(30), "the site answers again", || {
        (status(web, SITE, "/api/method/ping") == 200).then_some(())
    });
    eprintln!("{TEST}: all ready {:?} after the servers' return", back.elapsed());
    for ((role, kubelet), before) in kubelets.iter().zip(before) {
        let seen = kubelet.seen();
        eprintln!("{TEST}: {role}: {seen:?}");
        assert_eq!(seen.restarts, 0, "{role}: {seen:?}");
        assert_eq!(started_at(role), before, "{role} was started again");
    }
    drop(kubelets);
    for role in ROLES {
        let spec = pod(&release.objects, role)["spec"].clone();
        let grace = Duration::from_secs(spec["terminationGracePeriodSeconds"].as_u64().expect("a grace"));
        let (code, elapsed) = stop(&Release::container(role), grace);
        eprintln!("{TEST}: {role} stopped in {elapsed:?} of {grace:?}");
        assert_eq!(code, 0, "{role}: {}", log(&Release::container(role)));
        assert!(elapsed < grace.min(Duration::from_secs(20)), "{role}: {elapsed:?}");
    }
}
