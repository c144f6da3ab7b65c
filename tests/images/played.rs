//! A pod that podman plays, and what it takes otherwise than a kubelet.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::podman::{address, exit, log, podman, status};
use crate::support::wait::eventually;

/// A pod that was played.
pub struct Played {
    pub pod: String,
    /// The role's own.
    pub container: String,
}

impl Played {
    pub fn address(&self, port: u16) -> SocketAddr {
        address(&podman(&["pod", "inspect", "--format={{.InfraContainerID}}", &self.pod]), port)
    }

    pub fn log(&self) -> String {
        log(&self.container)
    }

    pub fn started_at(&self) -> String {
        podman(&["inspect", "--type=container", "--format={{.State.StartedAt}}", &self.container])
    }

    /// Its exit code, when it is there.
    #[track_caller]
    pub fn end(&self, deadline: Duration) -> i32 {
        eventually(deadline, &format!("the end of {}", self.pod), || exit(&self.container))
    }

    /// Waits until it is ready; it must not end meanwhile.
    #[track_caller]
    pub fn becomes_ready(&self) {
        eventually(Duration::from_secs(120), &format!("{} is ready", self.container), || {
            self.runs();
            (status(self.address(9180), "kubelet", "/readyz") == 200).then_some(())
        });
    }

    #[track_caller]
    pub fn runs(&self) {
        assert_eq!(exit(&self.container), None, "{}: {}", self.pod, self.log());
    }
}

/// podman 4.3 takes these otherwise than a kubelet: an emptyDir is a volume that all pods share by its name, a port is
/// taken on the host, and a restart policy holds for init containers too.
pub fn for_podman(mut pod: Value, name: &str, image: &str, dns: &str) -> Value {
    pod["metadata"]["name"] = name.into();
    let spec = pod["spec"].as_object_mut().expect("a spec");
    spec.insert("restartPolicy".into(), "Never".into());
    spec.insert("dnsPolicy".into(), "None".into());
    spec.insert("dnsConfig".into(), json!({"nameservers": [dns]}));
    let own = |volume: &Value| Value::from(format!("{name}-{}", volume.as_str().expect("a name")));
    let mut empty = Vec::new();
    for volume in spec["volumes"].as_array_mut().expect("volumes") {
        if !volume["emptyDir"].is_null() {
            empty.push(volume["name"].clone());
            volume["name"] = own(&volume["name"]);
        }
    }
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let container = container.as_object_mut().expect("a container");
            container.remove("ports");
            container.insert("image".into(), image.into());
            for mount in container["volumeMounts"].as_array_mut().expect("mounts") {
                if empty.contains(&mount["name"]) {
                    mount["name"] = own(&mount["name"]);
                }
            }
        }
    }
    pod
}
