//! What `kubectl` does with Secrets: `create secret generic`, and `patch secret` with `stringData`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cluster::State;
use crate::secrets::Keys;
use crate::shell::{Answer, Words, failed, said};

/// `create secret generic NAME --from-literal=KEY=TEXT …`.
pub fn create(words: &Words, state: &State) -> Answer {
    let [_, kind, name] = &words.plain[..] else { return failed("kubectl create secret: not known here") };
    if kind != "generic" {
        return failed(format!("kubectl create secret {kind} is not known here"));
    }
    let literals = words.options.iter().filter(|(option, _)| option == "--from-literal");
    let keys: Keys = literals
        .filter_map(|(_, literal)| literal.split_once('='))
        .map(|(key, text)| (key.to_owned(), text.to_owned()))
        .collect();
    let mut secrets = state.installation.secrets();
    if secrets.get(name).is_some() {
        return failed(format!("secrets \"{name}\" already exists"));
    }
    secrets.set(name, keys);
    said(format!("secret/{name} created\n"))
}

/// `patch secret NAME -p '{"stringData": …}'`.
pub fn patch(words: &Words, state: &State) -> Answer {
    let [kind, name] = &words.plain[..] else { return failed("kubectl patch: not known here") };
    let patch = serde_json::from_str::<Value>(words.option("-p").unwrap_or_default());
    let Some(data) = patch.ok().and_then(|patch| {
        serde_json::from_value::<BTreeMap<String, String>>(patch["stringData"].clone()).ok()
    }) else {
        return failed("kubectl patch: no stringData");
    };
    let mut secrets = state.installation.secrets();
    let Some(mut keys) = secrets.get(name).filter(|_| kind == "secret").cloned() else {
        return failed(format!("secrets \"{name}\" not found"));
    };
    keys.extend(data);
    secrets.set(name, keys);
    said(format!("secret/{name} patched\n"))
}
