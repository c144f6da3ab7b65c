//! The images, compose.yaml and the chart's pods as podman runs them: PID 1 for real, a root that cannot be written, no
//! capabilities. With no registry: see tests/images/prepare.

#[path = "images/all.rs"]
mod all;
#[path = "images/compose.rs"]
mod compose;
#[allow(dead_code)] // Its part for ports of this machine.
#[path = "support/http.rs"]
mod http;
#[path = "images/kube.rs"]
mod kube;
#[path = "images/kubelet.rs"]
mod kubelet;
#[path = "images/made.rs"]
mod made;
#[path = "images/podman.rs"]
mod podman;
#[path = "images/scratch.rs"]
mod scratch;
#[path = "images/servers.rs"]
mod servers;
#[allow(dead_code)]
#[path = "support/wait.rs"]
mod wait;
