//! The images, compose.yaml and the chart's pods as podman runs them: PID 1 for real, a root that cannot be written, no
//! capabilities. With no registry: see tests/images/prepare.

#[path = "images/adopted.rs"]
mod adopted;
#[path = "images/all.rs"]
mod all;
#[path = "images/baked.rs"]
mod baked;
#[path = "images/cluster.rs"]
mod cluster;
#[path = "images/compose.rs"]
mod compose;
#[path = "images/gate.rs"]
mod gate;
#[path = "images/installation.rs"]
mod installation;
#[path = "images/kube.rs"]
mod kube;
#[path = "images/kubectl.rs"]
mod kubectl;
#[path = "images/kubectl_secrets.rs"]
mod kubectl_secrets;
#[path = "images/kubectl_shows.rs"]
mod kubectl_shows;
#[path = "images/kubelet.rs"]
mod kubelet;
#[path = "images/live_events.rs"]
mod live_events;
#[path = "images/made.rs"]
mod made;
#[path = "images/moving_docker.rs"]
mod moving_docker;
#[path = "images/moving_helm.rs"]
mod moving_helm;
#[path = "images/newest.rs"]
mod newest;
#[path = "images/night.rs"]
mod night;
#[path = "images/played.rs"]
mod played;
#[path = "images/pod.rs"]
mod pod;
#[path = "images/podman.rs"]
mod podman;
#[path = "images/protected.rs"]
mod protected;
#[path = "images/reader.rs"]
mod reader;
#[allow(dead_code)] // What the gate's tests ask for.
#[path = "gate/release.rs"]
mod release;
#[path = "images/rendered.rs"]
mod rendered;
#[path = "images/rotation.rs"]
mod rotation;
#[path = "images/runbooks.rs"]
mod runbooks;
#[path = "images/scratch.rs"]
mod scratch;
#[path = "images/secrets.rs"]
mod secrets;
#[path = "images/servers.rs"]
mod servers;
#[path = "images/shell.rs"]
mod shell;
mod support;
#[path = "images/ways.rs"]
mod ways;
