//! What an API server does to an object: refusals, what it fills in, and patches.
//!
//! A patch is merged without Kubernetes' lists by key: names, labels, annotations and claims are what is looked at.

use serde_json::{Value, json};

use super::cluster::{Answer, NAMESPACE, called, status};

/// What an API server and ingress-nginx's webhook refuse.
pub fn refusal<'a>(
    others: impl Iterator<Item = &'a Value>,
    new: &Value,
    old: Option<&Value>,
) -> Option<Answer> {
    let invalid = |message: &str| Some(status(422, "Invalid", &format!("{}: {message}", called(new))));
    match (new["kind"].as_str()?, old) {
        ("PersistentVolumeClaim", Some(old)) => {
            let fixed = |claim: &Value| {
                let mut spec = claim["spec"].clone();
                spec["resources"].take();
                spec
            };
            let size = |claim: &Value| gibibytes(&claim["spec"]["resources"]["requests"]["storage"]);
            if fixed(new) != fixed(old) {
                return invalid("spec is immutable after creation");
            }
            (size(new) < size(old)).then(|| invalid("a claim does not shrink"))?
        }
        ("Deployment", Some(old)) if new["spec"]["selector"] != old["spec"]["selector"] => {
            invalid("spec.selector: field is immutable")
        }
        ("Ingress", None) => {
            let mut others = others.filter(|object| object["kind"] == "Ingress");
            let same = others.find(|other| places(other).iter().any(|place| places(new).contains(place)))?;
            let message = format!("host and path are already defined in {}", called(same));
            Some(status(400, "BadRequest", &message))
        }
        _ => None,
    }
}

/// What a server fills in, and a claim's binder.
pub fn settle(object: &mut Value, old: Option<&Value>, changes: u64) {
    object["metadata"]["namespace"] = NAMESPACE.into();
    object["metadata"]["resourceVersion"] = changes.to_string().into();
    object["metadata"]["uid"] =
        old.map_or_else(|| json!(format!("uid-{}", changes)), |old| old["metadata"]["uid"].clone());
    if object["kind"] == "PersistentVolumeClaim" && old.is_none() {
        // Before admission: the class that the cluster chooses is nobody's.
        let sent = object["spec"].as_object().expect("a spec");
        let owned: serde_json::Map<_, _> = sent.keys().map(|key| (format!("f:{key}"), json!({}))).collect();
        object["metadata"]["managedFields"] =
            json!([{"manager": "helm", "operation": "Update", "fieldsV1": {"f:spec": owned}}]);
        if object["spec"]["storageClassName"].is_null() {
            object["spec"]["storageClassName"] = "standard".into();
        }
        object["spec"]["volumeName"] = format!("pv-{}", changes).into();
        object["spec"]["volumeMode"] = "Filesystem".into();
    }
}

fn gibibytes(quantity: &Value) -> u64 {
    quantity.as_str().and_then(|text| text.strip_suffix("Gi")).expect("Gi").parse().expect("a number")
}

/// Every host and path of an Ingress.
fn places(ingress: &Value) -> Vec<(String, String)> {
    let rules = ingress["spec"]["rules"].as_array().into_iter().flatten();
    rules
        .flat_map(|rule| {
            let paths = rule["http"]["paths"].as_array().into_iter().flatten();
            paths.map(|path| (rule["host"].to_string(), path["path"].to_string()))
        })
        .collect()
}

/// A merge patch: null removes, lists are replaced, and the directives of a strategic one are left out.
pub fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch.into_iter().filter(|(key, _)| !key.starts_with('$')) {
        match value {
            Value::Null => drop(target.as_object_mut().expect("an object").remove(&key)),
            Value::Array(list) => {
                target[key] = list.into_iter().filter(|entry| entry["$patch"].is_null()).collect();
            }
            value => merge(&mut target[key], value),
        }
    }
}
