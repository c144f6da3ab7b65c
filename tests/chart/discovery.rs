//! What kinds the cluster in memory has, as a client asks before anything else.

use serde_json::{Value, json};

/// Group and version, its kinds, and their names in paths.
const KINDS: [(&str, &[(&str, &str)]); 6] = [
    (
        "v1",
        &[
            ("ConfigMap", "configmaps"),
            ("Secret", "secrets"),
            ("Service", "services"),
            ("ServiceAccount", "serviceaccounts"),
            ("PersistentVolumeClaim", "persistentvolumeclaims"),
        ],
    ),
    ("apps/v1", &[("Deployment", "deployments")]),
    ("batch/v1", &[("Job", "jobs")]),
    ("autoscaling/v2", &[("HorizontalPodAutoscaler", "horizontalpodautoscalers")]),
    ("policy/v1", &[("PodDisruptionBudget", "poddisruptionbudgets")]),
    ("networking.k8s.io/v1", &[("Ingress", "ingresses"), ("NetworkPolicy", "networkpolicies")]),
];

/// Group and version, and the kind, by its name in paths.
pub fn kind_of(plural: &str) -> (&'static str, &'static str) {
    let find = |(version, kinds): &(&'static str, &'static [(&'static str, &'static str)])| {
        kinds.iter().find(|(_, of)| *of == plural).map(|(kind, _)| (*version, *kind))
    };
    KINDS.iter().find_map(find).expect("a kind")
}

/// The answer to a question for versions, groups and kinds; `None` for any other.
pub fn discovery(path: &str) -> Option<Value> {
    let group = |version: &&(&str, &[(&str, &str)])| version.0.split_once('/').is_some();
    Some(match path.trim_end_matches('/') {
        "/version" => json!({"major": "1", "minor": "31", "gitVersion": "v1.31.0"}),
        "/api" => json!({"kind": "APIVersions", "versions": ["v1"]}),
        "/apis" => {
            let groups = KINDS.iter().filter(group).map(|(version, _)| {
                let (name, short) = version.split_once('/').expect("a group");
                let version = json!({"groupVersion": version, "version": short});
                json!({"name": name, "versions": [version], "preferredVersion": version})
            });
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups.collect::<Vec<_>>()})
        }
        path => {
            let of = path.strip_prefix("/apis/").or_else(|| path.strip_prefix("/api/"))?;
            let (version, kinds) = KINDS.iter().find(|(version, _)| *version == of)?;
            let resources = kinds.iter().map(|(kind, plural)| {
                json!({"name": plural, "singularName": "", "namespaced": true, "kind": kind,
                    "verbs": ["create", "delete", "get", "list", "patch", "update"]})
            });
            json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version,
                "resources": resources.collect::<Vec<_>>()})
        }
    })
}
