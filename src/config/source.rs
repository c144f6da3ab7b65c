//! Where a value comes from: flag, environment, mounted file, the bench's own files, default.
//!
//! The reader collects every error instead of stopping at the first, so that one start tells all
//! that is wrong with a manifest.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::frappe_environment::{is_service_link, name_of};
use super::login_signs::{holds_a_login, may_hold_a_login, without_quotes};
use super::variable::{self, Variable};

/// The environment as the reader sees it; tests hand in a map.
pub trait Strings {
    fn get(&self, name: &str) -> Option<OsString>;
}

/// The process's own environment.
pub struct ProcessEnvironment;

impl Strings for ProcessEnvironment {
    fn get(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }
}

impl Strings for BTreeMap<&str, &str> {
    fn get(&self, name: &str) -> Option<OsString> {
        BTreeMap::get(self, name).map(OsString::from)
    }
}

/// Who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Flag(String),
    Environment(String),
    /// A mounted secret: the variable that named it, and its path.
    File(String, PathBuf),
    /// A file of the bench: common_site_config.json or site_config.json.
    Bench(&'static str),
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "--{flag}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File(name, path) => write!(f, "{name} {}", path.display()),
            Self::Bench(file) => write!(f, "{file}"),
            Self::Default => write!(f, "default"),
        }
    }
}

/// A value with its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    pub value: String,
    pub source: Source,
}

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub variable: String,
    pub source: Option<Source>,
    pub cause: String,
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.variable)?;
        if let Some(source) = &self.source {
            write!(f, " ({source})")?;
        }
        write!(f, ": {}; {}", self.cause, self.hint)
    }
}

/// Reads variables, remembers what was read for `--print-config`, and collects what is wrong.
pub struct Reader<'a> {
    flags: &'a BTreeMap<String, String>,
    environment: &'a dyn Strings,
    pub problems: Vec<Problem>,
    pub seen: Vec<(&'static Variable, Given)>,
}

impl<'a> Reader<'a> {
    /// `flags` maps a flag's name (`db-host`, or `db-password-file`) to its value.
    pub fn new(flags: &'a BTreeMap<String, String>, environment: &'a dyn Strings) -> Self {
        Self { flags, environment, problems: Vec::new(), seen: Vec::new() }
    }

    /// The value that was given, or nothing. An empty variable counts as unset: charts render them.
    pub fn given(&mut self, name: &'static str) -> Option<Given> {
        let variable = variable::named(name);
        let flag = variable.flag();
        if let Some(value) = self.flags.get(&flag) {
            let given = Given { value: value.clone(), source: Source::Flag(flag) };
            return self.accepted(variable, given);
        }
        if let Some(path) = self.flags.get(&format!("{flag}-file")) {
            let source = Source::File(format!("--{flag}-file"), path.into());
            return self.read_file(variable, source);
        }
        let candidates: Vec<&str> = std::iter::once(name).chain(variable.aliases.iter().copied()).collect();
        for candidate in candidates {
            let value = self.environment_text(candidate);
            let file_variable = Variable::file_name(candidate);
            let path = self.environment_text(&file_variable);
            match (value, path) {
                (Some(_), Some(_)) => {
                    self.problem(
                        name,
                        Some(Source::Environment(file_variable.clone())),
                        format!("both {candidate} and {file_variable} are set"),
                        format!("unset one of them; {file_variable} is the safer one"),
                    );
                    return None;
                }
                (Some(value), None) => {
                    let source = Source::Environment(candidate.into());
                    return self.accepted(variable, Given { value, source });
                }
                (None, Some(path)) => {
                    return self.read_file(variable, Source::File(file_variable, path.into()));
                }
                (None, None) => {}
            }
        }
        None
    }

    /// As [`given`](Self::given), with Frappe's own variable, the bench's own file and then a default
    /// behind it.
    pub fn given_or(
        &mut self,
        name: &'static str,
        bench: Option<Given>,
        default: Option<&str>,
    ) -> Option<Given> {
        if let Some(given) = self.given(name) {
            return Some(given);
        }
        let default = default.map(|default| Given { value: default.into(), source: Source::Default });
        let fallback = self.frappes_own(name).or(bench).or(default)?;
        Some(self.remember(variable::named(name), fallback))
    }

    /// A value that must parse; a problem is recorded where it does not. What the cause quotes of a
    /// value that may hold a login is not shown.
    pub fn parsed<T>(
        &mut self,
        name: &'static str,
        given: Option<Given>,
        parse: impl FnOnce(&str) -> Result<T, String>,
        hint: &str,
    ) -> Option<T> {
        let given = given?;
        match parse(given.value.trim()) {
            Ok(value) => Some(value),
            Err(cause) => {
                let is_url_list = matches!(name, "CAULDRON_APPS" | "CUSTOM_APPS");
                let hide = if is_url_list { holds_a_login } else { may_hold_a_login };
                let cause = if hide(&given.value) { without_quotes(&cause) } else { cause };
                let hint = if is_quoted(&given.value) && !cause.contains("quotes") {
                    format!("{hint}; the quotes around the value are part of it: leave them out")
                } else {
                    hint.to_string()
                };
                self.problem(name, Some(given.source), cause, hint);
                None
            }
        }
    }

    pub fn problem(
        &mut self,
        name: impl Into<String>,
        source: Option<Source>,
        cause: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let problem = Problem { variable: name.into(), source, cause: cause.into(), hint: hint.into() };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// A variable as it stands in the environment. None for an empty one.
    pub fn environment(&self, name: &str) -> Option<String> {
        self.environment.get(name)?.into_string().ok().filter(|value| !value.is_empty())
    }

    /// A variable of Frappe's own, unless it is a service link.
    pub fn frappes(&self, name: &str) -> Option<Given> {
        let value = self.environment(name).filter(|value| !is_service_link(value))?;
        Some(Given { value, source: Source::Environment(name.into()) })
    }

    /// What Frappe's own variable says of a setting of ours.
    pub fn frappes_own(&self, setting: &str) -> Option<Given> {
        self.frappes(name_of(setting)?)
    }

    /// A secret loses the line end that `echo pw | base64` leaves at its end; a control character
    /// in it would make a login that nobody can type.
    fn accepted(&mut self, variable: &'static Variable, mut given: Given) -> Option<Given> {
        if variable.secret {
            let text = without_line_end(&given.value);
            if text.len() < given.value.len() && !matches!(given.source, Source::File(..)) {
                tracing::warn!(
                    variable = variable.name,
                    "the value ends with a line end, which is taken off: write it without (printf, not echo)"
                );
            }
            given.value = text.to_string();
            if given.value.is_empty() {
                self.problem(variable.name, Some(given.source), "it is empty", "put the value into it");
                return None;
            }
            if given.value.contains(char::is_control) {
                let cause = "a control character (a line end, a tab) stands in it";
                let hint = "write the secret again without it";
                self.problem(variable.name, Some(given.source), cause, hint);
                return None;
            }
        }
        Some(self.remember(variable, given))
    }

    fn remember(&mut self, variable: &'static Variable, given: Given) -> Given {
        if !self.seen.iter().any(|(v, _)| v.name == variable.name) {
            self.seen.push((variable, given.clone()));
        }
        given
    }

    fn environment_text(&mut self, name: &str) -> Option<String> {
        let value = self.environment.get(name)?;
        let Ok(value) = value.into_string() else {
            self.problem(
                name,
                Some(Source::Environment(name.into())),
                "the value is not UTF-8",
                "write it in UTF-8, or mount it as a file",
            );
            return None;
        };
        // Kubernetes injects `DB_PORT=tcp://10.0.0.1:5432` for a service named `db`; nobody set it.
        let is_link = name.ends_with("_PORT") && is_service_link(&value);
        (!value.is_empty() && !is_link).then_some(value)
    }

    fn read_file(&mut self, variable: &'static Variable, source: Source) -> Option<Given> {
        let Source::File(_, path) = &source else { return None };
        match std::fs::read_to_string(path) {
            Ok(text) => {
                // Editors and `kubectl create secret --from-file` leave one line end behind.
                let value = without_line_end(&text).to_string();
                if value.is_empty() {
                    self.problem(variable.name, Some(source), "the file is empty", "put the value into it");
                    return None;
                }
                self.accepted(variable, Given { value, source })
            }
            Err(error) => {
                let cause = format!("cannot read the file: {error}");
                let hint = "mount the secret, readable for this user, and name it by its absolute path";
                self.problem(variable.name, Some(shown_file(source)), cause, hint);
                None
            }
        }
    }
}

/// One line end, of any kind.
fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

fn is_quoted(value: &str) -> bool {
    let value = value.trim();
    value.len() > 1 && ['"', '\''].iter().any(|quote| value.starts_with(*quote) && value.ends_with(*quote))
}

/// A file that is not there may be the secret itself, set in NAME_FILE by mistake.
fn shown_file(source: Source) -> Source {
    match source {
        Source::File(name, path) if !path.is_absolute() || may_hold_a_login(&path.to_string_lossy()) => {
            match name.strip_prefix("--") {
                Some(flag) => Source::Flag(flag.into()),
                None => Source::Environment(name),
            }
        }
        source => source,
    }
}
