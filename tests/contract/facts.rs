//! Facts by name (`edge.fact` if there are several edges), compared one by one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts(pub BTreeMap<String, Value>);

impl Facts {
    pub fn note(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        let name = name.into();
        let before = self.0.insert(name.clone(), value.into());
        assert!(before.is_none(), "{name} was noted twice");
    }

    /// The facts that differ, or that only one side has.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let names = self.0.keys().chain(other.0.keys().filter(|name| !self.0.contains_key(*name)));
        names
            .filter(|name| self.0.get(*name) != other.0.get(*name))
            .map(|name| format!("{name}: {} is not {}", shown(self.0.get(name)), shown(other.0.get(name))))
            .collect()
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "(nothing)".to_owned(), Value::to_string)
}
