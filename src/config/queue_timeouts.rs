//! The time limits of the queues: Frappe's own, and those of `workers` in common_site_config.json.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::bench_files::COMMON;
use super::duration::NO_LIMIT;
use super::login_signs::may_contain_login;
use super::reader::Reader;
use super::source::Source;

/// Frappe's defaults (background_jobs.get_queues_timeout, v15 and v16).
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);
const LONG_TIMEOUT: Duration = Duration::from_secs(1500);

const HINT: &str = "write {\"workers\": {\"reports\": {\"timeout\": 900}}}: seconds, or a number with s, m, h or d (\"15m\")";

/// Returns the three queues that every bench has, and those of `workers`. What Frappe or RQ cannot read is a problem:
/// every process that enqueues or takes a job would fail with a traceback.
pub fn read(reader: &mut Reader<'_>, workers: Option<&Value>) -> BTreeMap<String, Duration> {
    let own = [("short", DEFAULT_TIMEOUT), ("default", DEFAULT_TIMEOUT), ("long", LONG_TIMEOUT)];
    let mut timeouts: BTreeMap<String, Duration> = own.map(|(name, t)| (name.to_string(), t)).into();
    let Some(workers) = workers else { return timeouts };
    let mut problem = |cause: String| reader.problem("workers", Some(Source::Bench(COMMON)), cause, HINT);
    let Some(queues) = workers.as_object() else {
        problem(format!("it is {}, not an object of queues", kind(workers)));
        return timeouts;
    };
    for (name, queue) in queues {
        let timeout = match queue.as_object() {
            None => Err(format!("it is {}, not an object", kind(queue))),
            Some(queue) => queue.get("timeout").map_or(Ok(DEFAULT_TIMEOUT), parse),
        };
        // A queue with a problem stays a queue of the bench, so that its pool is no second problem.
        timeouts.insert(name.clone(), *timeout.as_ref().unwrap_or(&DEFAULT_TIMEOUT));
        if let Err(cause) = timeout {
            problem(format!("queue `{}`: {cause}", shown(name)));
        }
    }
    timeouts
}

/// Reads a time limit as Frappe and RQ do (rq/utils.py, parse_timeout): -1 is no limit, and Frappe takes its default
/// for one that Python counts as false.
fn parse(timeout: &Value) -> Result<Duration, String> {
    let seconds = match timeout {
        Value::Null => Some(0),
        Value::Number(number) => number.as_i64().or_else(|| whole_seconds(number.as_f64()?)),
        Value::String(text) if text.is_empty() => Some(0),
        Value::String(text) => parse_text(text.trim()),
        _ => None,
    };
    match seconds {
        Some(0) => Ok(DEFAULT_TIMEOUT),
        Some(-1) => Ok(NO_LIMIT),
        Some(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds.unsigned_abs()).min(NO_LIMIT)),
        _ => Err(match timeout {
            Value::Number(_) | Value::String(_) => {
                let text = timeout.as_str().map_or_else(|| timeout.to_string(), str::to_string);
                format!("`{}` is not a timeout", shown(&text))
            }
            other => format!("its timeout is {}", kind(other)),
        }),
    }
}

/// Python's `int` of a number with a fraction.
fn whole_seconds(seconds: f64) -> Option<i64> {
    (seconds.abs() <= NO_LIMIT.as_secs_f64()).then_some(seconds as i64)
}

/// `900`, `15m`, `1h`, `2d` or `30s`.
fn parse_text(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(seconds);
    }
    let unit = text.chars().next_back()?;
    let factor = match unit.to_ascii_lowercase() {
        'd' => 86_400,
        'h' => 3_600,
        'm' => 60,
        's' => 1,
        _ => return None,
    };
    text[..text.len() - 1].trim().parse::<i64>().ok()?.checked_mul(factor)
}

/// The beginning of a text of the file, for a message.
fn shown(text: &str) -> String {
    if may_contain_login(text) {
        return "(not shown: it may contain a login)".into();
    }
    text.chars().take(20).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read_from(workers: &Value) -> (BTreeMap<String, Duration>, Vec<String>) {
        let (flags, environment) = (BTreeMap::new(), BTreeMap::new());
        let mut reader = Reader::new(&flags, &environment);
        let timeouts = read(&mut reader, Some(workers));
        (timeouts, reader.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn timeouts_are_read_as_rq_reads_them() {
        for (timeout, seconds) in [
            (json!(900), 900),
            (json!(900.7), 900),
            (json!("900"), 900),
            (json!(" 900 "), 900),
            (json!("30s"), 30),
            (json!("15m"), 900),
            (json!("15M"), 900),
            (json!("1h"), 3_600),
            (json!("2d"), 172_800),
            (json!(0), 300),
            (json!(null), 300),
            (json!(""), 300),
        ] {
            let (timeouts, problems) = read_from(&json!({"q": {"timeout": timeout}}));
            assert_eq!((timeouts["q"].as_secs(), problems), (seconds, Vec::new()), "{timeout}");
        }
        assert_eq!(read_from(&json!({"q": {"timeout": -1}})).0["q"], NO_LIMIT);
        let (timeouts, problems) = read_from(&json!({"mails": {}, "long": {"timeout": 5000}}));
        assert_eq!((timeouts["mails"], timeouts["long"].as_secs()), (DEFAULT_TIMEOUT, 5_000));
        assert_eq!((timeouts["short"], problems), (DEFAULT_TIMEOUT, Vec::new()));
        let (flags, environment) = (BTreeMap::new(), BTreeMap::new());
        assert_eq!(read(&mut Reader::new(&flags, &environment), None)["long"], LONG_TIMEOUT);
    }

    #[test]
    fn another_value_is_a_problem_that_names_its_queue() {
        for timeout in [json!("15x"), json!("m"), json!("soon"), json!("ä"), json!(-5), json!("1.5h")] {
            let (timeouts, problems) = read_from(&json!({"reports": {"timeout": timeout}}));
            assert_eq!((timeouts["reports"], problems.len()), (DEFAULT_TIMEOUT, 1), "{timeout}");
            let problem = &problems[0];
            assert!(
                problem.starts_with("workers (common_site_config.json): queue `reports`: `"),
                "{problem}"
            );
            assert!(problem.contains("is not a timeout") && problem.contains("15m"), "{problem}");
        }
        for (workers, cause) in [
            (json!({"q": {"timeout": true}}), "queue `q`: its timeout is true or false"),
            (json!({"q": {"timeout": [1]}}), "queue `q`: its timeout is a list"),
            (json!({"q": 900}), "queue `q`: it is a number, not an object"),
            (json!(["q"]), "it is a list, not an object of queues"),
            (json!(null), "it is null, not an object of queues"),
        ] {
            let (_, problems) = read_from(&workers);
            assert!(problems.len() == 1 && problems[0].contains(cause), "{workers}: {problems:?}");
        }
    }
}
