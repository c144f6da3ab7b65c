//! Translates the commands of existing manifests (docs/before.md#commands-in-manifests) into roles.
//!
//! A command that cannot be recognized for certain runs unchanged under supervision: a command with
//! another meaning is never replaced by a guess.

use std::ffi::OsString;
use std::path::Path;

/// Words that are, or may become, commands of another release: never programs of the image. `run -- backup`, or a path, starts
/// a program of such a name.
pub const RESERVED: [&str; 14] = [
    "backup", "backups", "check", "console", "jobs", "logs", "queues", "restore", "rollback", "serve",
    "sites", "upgrade", "verify", "version",
];

/// Looks up a global option of ours (`db-host`, without dashes): true if it takes a value, None if it is unknown.
type TakesValue<'a> = &'a dyn Fn(&str) -> Option<bool>;

/// Our command line for a legacy one.
pub struct Translated {
    pub arguments: Vec<OsString>,
    /// The options of gunicorn that the web role does not take over, as they were written.
    pub ignored: Vec<String>,
}

/// Translates a command line; a program that is not one of our commands becomes `run -- …`. Our options may
/// precede the command, and may be mixed with the options of a legacy command that stands for a role.
pub fn translate(
    arguments: Vec<OsString>,
    is_command: impl Fn(&str) -> bool,
    takes_value: TakesValue<'_>,
) -> Translated {
    let unchanged = |arguments| Translated { arguments, ignored: Vec::new() };
    let Some(at) = command_index(&arguments, takes_value) else { return unchanged(arguments) };
    let (before, command) = arguments.split_at(at);
    if command[0].to_str().is_some_and(|word| is_command(word) || RESERVED.contains(&word)) {
        return unchanged(arguments);
    }
    let words: Option<Vec<&str>> = command.iter().map(|word| word.to_str()).collect();
    let (ours, ignored) = match words.and_then(|words| role(&words, takes_value)) {
        Some((ours, ignored)) => (ours.into_iter().map(OsString::from).collect(), ignored),
        // No manifest has our options before another program: clap rejects it.
        None if at > 1 => return unchanged(arguments),
        None => ([vec!["run".into(), "--".into()], command.to_vec()].concat(), Vec::new()),
    };
    Translated { arguments: [before.to_vec(), ours].concat(), ignored }
}

/// The index of the command, after any options of ours. None if there is no command or an option is unknown.
fn command_index(arguments: &[OsString], takes_value: TakesValue<'_>) -> Option<usize> {
    let mut at = 1;
    while let Some(word) = arguments.get(at)?.to_str().filter(|word| word.starts_with('-')) {
        at += words_of_our_option(word, takes_value)?;
    }
    Some(at)
}

/// The number of words of one of our options: `--db-host x` has two, `--db-host=x` and `--print-config` one.
/// None if the option is not ours.
fn words_of_our_option(word: &str, takes_value: TakesValue<'_>) -> Option<usize> {
    let option = word.strip_prefix("--")?;
    match option.split_once('=') {
        Some((name, _)) => takes_value(name)?.then_some(1),
        None => takes_value(option).map(|has_value| if has_value { 2 } else { 1 }),
    }
}

/// The role that a legacy command line stands for, with its settings as flags, and the options that are ignored.
fn role(words: &[&str], takes_value: TakesValue<'_>) -> Option<(Vec<String>, Vec<String>)> {
    let alone = |flags| (flags, Vec::new());
    let (program, rest) = words.split_first()?;
    match Path::new(program).file_name()?.to_str()? {
        "bench" => bench(rest, takes_value).map(alone),
        "node" | "nodejs" => match rest {
            [script, options @ ..] if script.ends_with("socketio.js") => {
                Some(alone(Options::read(options, &[], &[], takes_value)?.flags("socketio", &[])))
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
            // Frappe's default.
            let count = given.get("num-workers").unwrap_or("2");
            let mut flags = given.flags("worker", &[]);
            flags.extend(["--pool".into(), format!("{queues}={count}")]);
            Some(flags)
        }
        _ => None,
    }
}

/// Translates gunicorn with `frappe.app:application` to the web role; also `application_with_statics`, which
/// on its own would serve any file (docs/frappe-contract.md#static-files).
fn gunicorn(words: &[&str], takes_value: TakesValue<'_>) -> Option<(Vec<String>, Vec<String>)> {
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
        // gunicorn also accepts a bare port or host. A Unix socket has no port for our web port, so it is not
        // translated.
        let address = match bind.strip_prefix(':').map_or(bind, |port| port) {
            port if port.bytes().all(|b| b.is_ascii_digit()) => format!("0.0.0.0:{port}"),
            other => other.replace("localhost", "127.0.0.1"),
        };
        address.parse::<std::net::SocketAddr>().ok()?;
        flags.extend(["--web-addr".into(), address]);
    }
    Some((flags, given.ignored_by_web()))
}

/// Parsed options: `--name value`, `--name=value`, `-n value` and switches.
struct Options<'a> {
    /// Options of the legacy program, with their values.
    theirs: Vec<(&'a str, &'a str)>,
    /// The words of our own options, as given.
    ours: Vec<&'a str>,
}

impl<'a> Options<'a> {
    /// Returns None for an unknown word: the command means more than the role would do. If the legacy program
    /// and we have an option of the same name, it is the program's.
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
                given.theirs.push((name, ""));
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

    /// gunicorn's options that the web role does not take over, unless they say what it does anyway.
    fn ignored_by_web(&self) -> Vec<String> {
        let is_ignored = |(name, value): &&(&str, &str)| match *name {
            "worker-class" | "k" => *value != "gthread",
            "worker-tmp-dir" => *value != "/dev/shm",
            "error-logfile" => *value != "-",
            name => !["bind", "b", "workers", "w", "threads", "timeout", "t", "chdir"].contains(&name),
        };
        let names = self.theirs.iter().filter(is_ignored).map(|(name, _)| *name);
        names.map(|name| if name.len() == 1 { format!("-{name}") } else { format!("--{name}") }).collect()
    }

    fn flags(&self, role: &str, names: &[(&str, &str)]) -> Vec<String> {
        let flags =
            names.iter().filter_map(|(theirs, ours)| Some([format!("--{ours}"), self.get(theirs)?.into()]));
        let ours = self.ours.iter().map(ToString::to_string);
        std::iter::once(role.to_string()).chain(flags.flatten()).chain(ours).collect()
    }
}

#[cfg(test)]
mod tests;
