//! The commands that people's manifests already have (SEED.md), as the roles they mean.
//!
//! What cannot be told for sure is run as it is, under supervision: a command that meant something
//! else is never replaced by a guess.

use std::ffi::OsString;
use std::path::Path;

/// The command line in our own words; a program that is none of our commands becomes `run -- …`.
pub fn translate(arguments: Vec<OsString>, is_command: impl Fn(&str) -> bool) -> Vec<OsString> {
    let words: Option<Vec<&str>> = arguments.iter().skip(1).map(|word| word.to_str()).collect();
    let Some(first) = arguments.get(1) else { return arguments };
    if first.to_str().is_some_and(|first| first.starts_with('-') || is_command(first)) {
        return arguments;
    }
    let ours = match words.and_then(|words| role(&words)) {
        Some(ours) => ours.into_iter().map(OsString::from).collect(),
        None => [vec!["run".into(), "--".into()], arguments[1..].to_vec()].concat(),
    };
    [vec![arguments[0].clone()], ours].concat()
}

/// The role that a command line means, with its settings as flags.
fn role(words: &[&str]) -> Option<Vec<String>> {
    let (program, rest) = words.split_first()?;
    match Path::new(program).file_name()?.to_str()? {
        "bench" => bench(rest),
        "node" | "nodejs" => match rest {
            [script] if script.ends_with("socketio.js") => Some(vec!["socketio".into()]),
            _ => None,
        },
        "gunicorn" => gunicorn(rest),
        _ => None,
    }
}

fn bench(words: &[&str]) -> Option<Vec<String>> {
    match words {
        ["start"] => Some(vec!["web".into()]),
        ["schedule"] => Some(vec!["scheduler".into()]),
        ["worker", options @ ..] => {
            let given = Options::read(options, &["queue"], &["quiet"])?;
            Some(given.flags("worker", &[("queue", "worker-queues")]))
        }
        ["worker-pool", options @ ..] => {
            let given = Options::read(options, &["queue", "num-workers"], &["quiet"])?;
            let queues = given.get("queue").unwrap_or("short,default,long");
            // Frappe's own default.
            let count = given.get("num-workers").unwrap_or("2");
            Some(["worker", "--pool", &format!("{queues}={count}")].map(Into::into).into())
        }
        _ => None,
    }
}

/// A line for `frappe.app:application` is the web role; `application_with_statics` too, which itself
/// would serve any file (FRAPPE.md).
fn gunicorn(words: &[&str]) -> Option<Vec<String>> {
    let is_app = |word: &str| word.starts_with("frappe.app:application");
    let mut options = words.to_vec();
    let app = options.iter().position(|word| is_app(word))?;
    options.remove(app);
    let values = [
        "bind",
        "b",
        "workers",
        "w",
        "threads",
        "timeout",
        "t",
        "chdir",
        "worker-class",
        "k",
        "worker-tmp-dir",
        "graceful-timeout",
        "max-requests",
        "max-requests-jitter",
        "log-level",
        "access-logfile",
        "error-logfile",
    ];
    let given = Options::read(&options, &values, &["preload"])?;
    let mut flags = given.flags(
        "web",
        &[
            ("workers", "gunicorn-workers"),
            ("w", "gunicorn-workers"),
            ("threads", "gunicorn-threads"),
            ("timeout", "gunicorn-timeout"),
            ("t", "gunicorn-timeout"),
        ],
    );
    if let Some(bind) = given.get("bind").or_else(|| given.get("b")) {
        // gunicorn takes a bare port and a bare host, too; a socket has no port for our own front.
        let address = match bind.strip_prefix(':').map_or(bind, |port| port) {
            port if port.bytes().all(|b| b.is_ascii_digit()) => format!("0.0.0.0:{port}"),
            other => other.replace("localhost", "127.0.0.1"),
        };
        address.parse::<std::net::SocketAddr>().ok()?;
        flags.extend(["--web-addr".into(), address]);
    }
    Some(flags)
}

/// `--name value`, `--name=value`, `-n value` and switches.
struct Options<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Options<'a> {
    /// None where there is a word that is not known: the command means more than we would do.
    fn read(words: &[&'a str], values: &[&str], switches: &[&str]) -> Option<Self> {
        let mut given = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
            let (name, value) =
                name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
            if switches.contains(&name) && value.is_none() {
                continue;
            }
            if !values.contains(&name) {
                return None;
            }
            given.push((name, value.or_else(|| words.next().copied())?));
        }
        Some(Self(given))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(given, _)| *given == name).map(|(_, value)| *value)
    }

    fn flags(&self, role: &str, names: &[(&str, &str)]) -> Vec<String> {
        let flags =
            names.iter().filter_map(|(theirs, ours)| Some([format!("--{ours}"), self.get(theirs)?.into()]));
        std::iter::once(role.to_string()).chain(flags.flatten()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(line: &str) -> String {
        let words =
            ["cauldron-frappe"].into_iter().chain(line.split_whitespace()).map(OsString::from).collect();
        let ours = translate(words, |word| ["web", "run", "worker"].contains(&word));
        ours[1..].iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn manifests_mean_roles() {
        let gunicorn = "/home/frappe/frappe-bench/env/bin/gunicorn --chdir=/home/frappe/frappe-bench/sites \
            --bind=0.0.0.0:8000 --threads=4 --workers=2 --worker-class=gthread --worker-tmp-dir=/dev/shm \
            --timeout=120 --preload frappe.app:application";
        let web =
            "web --gunicorn-workers 2 --gunicorn-threads 4 --gunicorn-timeout 120 --web-addr 0.0.0.0:8000";
        for (line, ours) in [
            ("bench start", "web"),
            ("bench worker --queue short,default", "worker --worker-queues short,default"),
            ("bench worker --queue=long --quiet", "worker --worker-queues long"),
            ("bench worker", "worker"),
            ("/usr/local/bin/bench schedule", "scheduler"),
            ("bench worker-pool --queue short --num-workers 3", "worker --pool short=3"),
            ("bench worker-pool", "worker --pool short,default,long=2"),
            ("node /home/frappe/frappe-bench/apps/frappe/socketio.js", "socketio"),
            (gunicorn, web),
            ("gunicorn --timeout=0 frappe.app:application", "web --gunicorn-timeout 0"),
            ("gunicorn -t 0 frappe.app:application", "web --gunicorn-timeout 0"),
            (
                "gunicorn -b :9000 -w 1 frappe.app:application_with_statics()",
                "web --gunicorn-workers 1 --web-addr 0.0.0.0:9000",
            ),
        ] {
            assert_eq!(translated(line), ours, "{line}");
        }
    }

    #[test]
    fn what_is_not_sure_is_run_as_it_is() {
        for line in [
            "bench migrate",
            "bench worker --burst",
            "bench --site a worker",
            "bench start --no-prefix",
            "node server.js",
            "gunicorn other:app",
            "gunicorn --config x.py frappe.app:application",
            "gunicorn -b unix:/run/x frappe.app:application",
            "sleep 5",
        ] {
            assert_eq!(translated(line), format!("run -- {line}"));
        }
    }

    #[test]
    fn our_own_commands_stay_what_they_are() {
        for line in ["web --db-host x", "run -- bench start", "--version", "worker"] {
            assert_eq!(translated(line), line);
        }
    }
}
