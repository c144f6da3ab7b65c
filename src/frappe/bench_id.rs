//! `bench_id` of common_site_config.json: the first part of the name of every queue (docs/frappe-jobs.md#bench-id).
//!
//! A new installation gets an id of its own, because the default, the bench's path, is the same in every container.
//! One that exists keeps its id unless CAULDRON_BENCH_ID names another: its jobs wait in queues of that name.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::bench::json_file::read_common_object;
use crate::config::Config;
use crate::config::bench_files::COMMON;
use crate::config::bench_id::WantedBenchId;

pub const KEY: &str = "bench_id";
/// The key of the ids that the bench had before, as a list of texts: the oldest first, each once, without the present
/// one. Jobs may still wait in the queues of these names.
pub const FORMER_KEY: &str = "cauldron_former_bench_ids";

/// The ids of a bench.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BenchIds {
    pub current: String,
    /// False if the current id is the default, made from the bench's path.
    pub is_written: bool,
    pub former: Vec<String>,
}

impl BenchIds {
    /// Reads the ids from common_site_config.json, which the bootstrap may have written after the configuration was
    /// loaded. If the file cannot be read now, its value from that time counts.
    pub fn of(config: &Config) -> Self {
        let workers = &config.workers;
        Self::in_file(&config.bench.join("sites"), &workers.bench_root).unwrap_or_else(|| {
            let loaded =
                workers.bench_id.iter().map(|id| (KEY.to_string(), Value::from(id.clone()))).collect();
            Self::read(&loaded, &workers.bench_root)
        })
    }

    /// Reads the ids from common_site_config.json in `sites`. None if the file cannot be read now.
    pub fn in_file(sites: &Path, root: &Path) -> Option<Self> {
        match read_common_object(&sites.join(COMMON)) {
            Ok(Ok(common)) => Some(Self::read(&common, root)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(Self::read(&Map::new(), root)),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    fn read(common: &Map<String, Value>, root: &Path) -> Self {
        let written = written(common);
        let (is_written, current) = (written.is_some(), written.unwrap_or_else(|| from_path(root)));
        let former = former(common).into_iter().filter(|id| *id != current).collect();
        Self { current, is_written, former }
    }
}

/// Which id the file gets.
pub struct Rule {
    wanted: WantedBenchId,
    root: PathBuf,
    /// True if a new installation gets an id.
    creates: bool,
    /// True if the ids in the file are those of another installation, whose site was copied.
    is_copy: bool,
    /// True if the volume was lost, and the site's database is still there: its jobs may wait.
    is_lost: bool,
}

impl Rule {
    /// The rule for a leader, which creates installations.
    pub fn of_leader(config: &Config, is_copy: bool) -> Self {
        Self { creates: true, is_copy, ..Self::of(config) }
    }

    /// The rule for a command that creates none: it may run in the build of an image, and all installations of that
    /// image would have one id.
    pub fn of(config: &Config) -> Self {
        let (wanted, root) = (config.bench_id.clone(), config.workers.bench_root.clone());
        Self { wanted, root, creates: false, is_copy: false, is_lost: false }
    }

    /// The rule for a restore onto a volume without a site, which makes an installation. `keeps_database` if only the
    /// volume was lost: the id is chosen as before, and jobs that wait under the path are found as former ones. A random id
    /// would hide those.
    pub fn of_restore(config: &Config, keeps_database: bool) -> Self {
        Self { creates: true, is_lost: keeps_database, ..Self::of(config) }
    }

    /// Returns what the file lacks beside CAULDRON_BENCH_ID itself: the id of a new installation, or the list of former
    /// ids. `is_new` if the bench has no site, so that no job can wait. A copy has no former ids: the jobs in the queues of
    /// these names are the original's.
    pub fn additions(&self, common: &Map<String, Value>, is_new: bool) -> Vec<(&'static str, Value)> {
        let (written, recorded) = (written(common), former(common));
        if self.is_copy {
            return if recorded.is_empty() {
                Vec::new()
            } else {
                vec![(FORMER_KEY, Value::Array(Vec::new()))]
            };
        }
        let Some(always) = &self.wanted.always else {
            if written.is_some() || !is_new || !self.creates {
                return Vec::new();
            }
            return self.of_new(&recorded);
        };
        let mut former = recorded.clone();
        let before = written.or_else(|| (!is_new).then(|| from_path(&self.root)));
        if let Some(before) = before {
            former.retain(|id| *id != before);
            former.push(before);
        }
        former.retain(|id| id != always);
        if former == recorded { Vec::new() } else { vec![(FORMER_KEY, former.into())] }
    }

    fn of_new(&self, recorded: &[String]) -> Vec<(&'static str, Value)> {
        match (&self.wanted.if_new, self.is_lost) {
            (None, true) => Vec::new(),
            (given, false) => vec![(KEY, given.clone().unwrap_or_else(random).into())],
            (Some(id), true) => {
                let mut former = recorded.to_vec();
                former.push(from_path(&self.root));
                vec![(KEY, id.clone().into()), (FORMER_KEY, former.into())]
            }
        }
    }
}

/// The id in the file. Frappe formats a number as text.
fn written(common: &Map<String, Value>) -> Option<String> {
    match common.get(KEY)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The ids in the file's list, each once.
fn former(common: &Map<String, Value>) -> Vec<String> {
    let mut ids = Vec::new();
    for id in common.get(FORMER_KEY).and_then(Value::as_array).into_iter().flatten() {
        if let Some(id) = id.as_str().filter(|id| !id.is_empty())
            && !ids.iter().any(|known| known == id)
        {
            ids.push(id.to_string());
        }
    }
    ids
}

/// Frappe's default (frappe.utils.get_bench_id).
fn from_path(bench: &Path) -> String {
    bench.to_string_lossy().trim_matches('/').replace('/', "-")
}

fn random() -> String {
    format!("bench-{:08x}", rand::random::<u32>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PATH: &str = "/home/frappe/frappe-bench";
    const FROM_PATH: &str = "home-frappe-frappe-bench";

    fn additions(always: Option<&str>, if_new: Option<&str>, common: &Value, is_new: bool) -> Value {
        let wanted = WantedBenchId { always: always.map(Into::into), if_new: if_new.map(Into::into) };
        let rule = Rule { wanted, root: PATH.into(), creates: true, is_copy: false, is_lost: false };
        added(&rule, common, is_new)
    }

    fn added(rule: &Rule, common: &Value, is_new: bool) -> Value {
        let added = rule.additions(common.as_object().unwrap(), is_new);
        added.into_iter().map(|(key, value)| (key.to_string(), value)).collect::<Map<_, _>>().into()
    }

    #[test]
    fn only_a_new_installation_gets_an_id_by_itself() {
        assert_eq!(additions(None, Some("new"), &json!({}), true), json!({"bench_id": "new"}));
        assert_eq!(additions(None, Some("new"), &json!({"bench_id": "b"}), true), json!({}));
        assert_eq!(additions(None, Some("new"), &json!({}), false), json!({}));
        let random = additions(None, None, &json!({"bench_id": ""}), true);
        let id = random["bench_id"].as_str().unwrap().strip_prefix("bench-").unwrap();
        assert!(id.len() == 8 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    }

    #[test]
    fn a_changed_id_becomes_a_former_one() {
        let former = |common: Value, is_new| additions(Some("b"), Some("new"), &common, is_new);
        assert_eq!(former(json!({}), true), json!({}));
        assert_eq!(former(json!({}), false), json!({FORMER_KEY: [FROM_PATH]}));
        assert_eq!(former(json!({"bench_id": "a"}), true), json!({FORMER_KEY: ["a"]}));
        assert_eq!(former(json!({"bench_id": 7}), false), json!({FORMER_KEY: ["7"]}));
        assert_eq!(former(json!({"bench_id": "b"}), false), json!({}));
        assert_eq!(former(json!({"bench_id": "b", FORMER_KEY: ["a"]}), false), json!({}));
        let common = json!({"bench_id": "a", FORMER_KEY: ["a", "c", "b", "c"]});
        assert_eq!(former(common, false), json!({FORMER_KEY: ["c", "a"]}));
        assert_eq!(additions(Some(FROM_PATH), None, &json!({}), false), json!({}));
    }

    #[test]
    fn a_lost_volume_gets_the_id_of_before_or_the_path() {
        let rule = |if_new: Option<&str>| Rule {
            wanted: WantedBenchId { always: None, if_new: if_new.map(Into::into) },
            root: PATH.into(),
            creates: true,
            is_copy: false,
            is_lost: true,
        };
        let expected = json!({"bench_id": "new", FORMER_KEY: [FROM_PATH]});
        assert_eq!(added(&rule(Some("new")), &json!({}), true), expected);
        assert_eq!(added(&rule(None), &json!({}), true), json!({}));
        assert_eq!(added(&rule(Some("new")), &json!({"bench_id": "b"}), true), json!({}));
    }

    #[test]
    fn a_copy_has_no_former_id() {
        let wanted = WantedBenchId { always: Some("b".into()), if_new: None };
        let rule = Rule { wanted, root: PATH.into(), creates: true, is_copy: true, is_lost: false };
        assert_eq!(added(&rule, &json!({"bench_id": "a"}), false), json!({}));
        assert_eq!(
            added(&rule, &json!({"bench_id": "a", FORMER_KEY: ["c"]}), false),
            json!({FORMER_KEY: []})
        );
    }

    #[test]
    fn the_current_id_is_no_former_one() {
        let read = |common: Value| BenchIds::read(common.as_object().unwrap(), PATH.as_ref());
        let ids = |current: &str, is_written, former: &[&str]| BenchIds {
            current: current.into(),
            is_written,
            former: former.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(read(json!({})), ids(FROM_PATH, false, &[]));
        let changed = json!({"bench_id": "b", FORMER_KEY: ["a", "b", "a", 5, ""]});
        assert_eq!(read(changed), ids("b", true, &["a"]));
    }
}
