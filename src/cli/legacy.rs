//! The commands that people's manifests already have (docs/before.md#commands-in-manifests), as the roles
//! they mean.
//!
//! What cannot be told for sure is run as it is, under supervision: a command that meant something
//! else is never replaced by a guess.

use std::ffi::OsString;
use std::path::Path;

/// Whether an option is one of ours (`db-host`, without its dashes), and then whether it takes a value.
type TakesValue<'a> = &'a dyn Fn(&str) -> Option<bool>;

/// The command line in our own words; a program that is none of our commands becomes `run -- …`. Options of
/// ours may stand before the command, and among the options of one that means a role.
pub fn translate(
    arguments: Vec<OsString>,
    is_command: impl Fn(&str) -> bool,
    takes_value: TakesValue<'_>,
) -> Vec<OsString> {
    let Some(at) = command_index(&arguments, takes_value) else { return arguments };
    let (before, command) = arguments.split_at(at);
    if command[0].to_str().is_some_and(is_command) {
        return arguments;
    }
    let words: Option<Vec<&str>> = command.iter().map(|word| word.to_str()).collect();
    let ours = match words.and_then(|words| role(&words, takes_value)) {
        Some(ours) => ours.into_iter().map(OsString::from).collect(),
        // No manifest has options of ours before a program of its own: clap refuses it.
        None if at > 1 => return arguments,
        None => [vec!["run".into(), "--".into()], command.to_vec()].concat(),
    };
    [before.to_vec(), ours].concat()
}

/// Where the command stands: behind options of ours. None where there is none, or where an option is unknown.
fn command_index(arguments: &[OsString], takes_value: TakesValue<'_>) -> Option<usize> {
    let mut at = 1;
    while let Some(word) = arguments.get(at)?.to_str().filter(|word| word.starts_with('-')) {
        at += words_of_our_option(word, takes_value)?;
    }
    Some(at)
}

/// `--db-host x` has two words, `--db-host=x` and `--print-config` one. None where the option is not ours.
fn words_of_our_option(word: &str, takes_value: TakesValue<'_>) -> Option<usize> {
    let option = word.strip_prefix("--")?;
    match option.split_once('=') {
        Some((name, _)) => takes_value(name)?.then_some(1),
        None => takes_value(option).map(|has_value| if has_value { 2 } else { 1 }),
    }
}

/// The role that a command line means, with its settings as flags.
fn role(words: &[&str], takes_value: TakesValue<'_>) -> Option<Vec<String>> {
    let (program, rest) = words.split_first()?;
    match Path::new(program).file_name()?.to_str()? {
        "bench" => bench(rest, takes_value),
        "node" | "nodejs" => match rest {
            [script, options @ ..] if script.ends_with("socketio.js") => {
                Some(Options::read(options, &[], &[], takes_value)?.flags("socketio", &[]))
            }
            _ => None,
        },
        "gunicorn" => gunicorn(rest, takes_value),
        _ => None,
    }
}

fn bench(words: &[&str], takes_value: TakesValue<'_>) -> Option<Vec<String>> {
    let (command, options) = words.split_first()?;
    let read = |values: &[&str], switches: &[&str]| Options::read(options, values, switches, takes_value);
    match *command {
        "start" => Some(read(&[], &[])?.flags("web", &[])),
        "schedule" => Some(read(&[], &[])?.flags("scheduler", &[])),
        "worker" => Some(read(&["queue"], &["quiet"])?.flags("worker", &[("queue", "worker-queues")])),
        "worker-pool" => {
            let given = read(&["queue", "num-workers"], &["quiet"])?;
            let queues = given.get("queue").unwrap_or("short,default,long");
            // Frappe's own default.
            let count = given.get("num-workers").unwrap_or("2");
            let mut flags = given.flags("worker", &[]);
            flags.extend(["--pool".into(), format!("{queues}={count}")]);
            Some(flags)
        }
        _ => None,
    }
}

/// A line for `frappe.app:application` is the web role; `application_with_statics` too, which itself
/// would serve any file (docs/frappe-contract.md#static-files).
fn gunicorn(words: &[&str], takes_value: TakesValue<'_>) -> Option<Vec<String>> {
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
    let given = Options::read(&options, &values, &["preload"], takes_value)?;
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
struct Options<'a> {
    theirs: Vec<(&'a str, &'a str)>,
    /// The words of options of ours, as they were given.
    ours: Vec<&'a str>,
}

impl<'a> Options<'a> {
    /// None where there is a word that is not known: the command means more than we would do. An option of
    /// the program's own comes first where ours has the same name.
    fn read(
        words: &[&'a str],
        values: &[&str],
        switches: &[&str],
        takes_value: TakesValue<'_>,
    ) -> Option<Self> {
        let mut given = Self { theirs: Vec::new(), ours: Vec::new() };
        let mut rest = words;
        while let [word, after @ ..] = rest {
            let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
            let (name, value) =
                name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
            rest = if switches.contains(&name) && value.is_none() {
                after
            } else if values.contains(&name) {
                given.theirs.push((name, value.or_else(|| after.first().copied())?));
                if value.is_some() { after } else { &after[1..] }
            } else {
                let (ours, rest) = rest.split_at_checked(words_of_our_option(word, takes_value)?)?;
                given.ours.extend(ours);
                rest
            };
        }
        Some(given)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.theirs.iter().rev().find(|(given, _)| *given == name).map(|(_, value)| *value)
    }

    fn flags(&self, role: &str, names: &[(&str, &str)]) -> Vec<String> {
        let flags =
            names.iter().filter_map(|(theirs, ours)| Some([format!("--{ours}"), self.get(theirs)?.into()]));
        let ours = self.ours.iter().map(ToString::to_string);
        std::iter::once(role.to_string()).chain(flags.flatten()).chain(ours).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(line: &str) -> String {
        let words =
            ["cauldron-frappe"].into_iter().chain(line.split_whitespace()).map(OsString::from).collect();
        let takes_value = |name: &str| match name {
            "print-config" => Some(false),
            "db-host" | "log-level" => Some(true),
            _ => None,
        };
        let ours = translate(words, |word| ["web", "run", "worker"].contains(&word), &takes_value);
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
    fn options_of_ours_stand_before_and_behind_what_means_a_role() {
        for (line, ours) in [
            ("--print-config bench schedule", "--print-config scheduler"),
            ("bench schedule --print-config", "scheduler --print-config"),
            (
                "--db-host a --db-host=b bench start --print-config",
                "--db-host a --db-host=b web --print-config",
            ),
            ("bench worker --db-host a --queue long", "worker --worker-queues long --db-host a"),
            ("bench worker-pool --db-host=a", "worker --db-host=a --pool short,default,long=2"),
            ("node socketio.js --print-config", "socketio --print-config"),
            (
                "gunicorn -w 1 frappe.app:application --print-config",
                "web --gunicorn-workers 1 --print-config",
            ),
            // gunicorn's own.
            ("gunicorn --log-level debug frappe.app:application", "web"),
            ("bench start --db-host", "run -- bench start --db-host"),
            ("bench start --print-config=x", "run -- bench start --print-config=x"),
            ("bench migrate --print-config", "run -- bench migrate --print-config"),
        ] {
            assert_eq!(translated(line), ours, "{line}");
        }
        // Clap's to read, or to refuse.
        for line in ["--print-config web", "--print-config sleep 5", "--help bench start", "-- bench start"] {
            assert_eq!(translated(line), line);
        }
    }

    #[test]
    fn our_own_commands_stay_what_they_are() {
        for line in ["web --db-host x", "run -- bench start", "--version", "worker"] {
            assert_eq!(translated(line), line);
        }
    }
}
