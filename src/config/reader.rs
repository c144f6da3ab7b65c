//! Reads variables from their sources and collects every problem, so that one start reports all mistakes in a manifest.

use std::collections::BTreeMap;

use super::frappe_environment::{is_service_link, name_of};
use super::login_signs::{contains_login, may_contain_login, without_quotes};
use super::source::{Given, Problem, Source, Strings};
use super::text::{is_quoted, text_of, warn_of_line_end, without_line_end};
use super::unused::Unused;
use super::variable::kind::{Kind, Secrecy};
use super::variable::{self, Variable};
use crate::sys::bounded_file;

/// The length of the longest secret. A login hashes it thousands of times.
const MAX_SECRET_BYTES: usize = 64_000;

/// Reads variables, keeps the values for `--print-config`, and collects problems.
pub struct Reader<'a> {
    flags: &'a BTreeMap<String, String>,
    environment: &'a dyn Strings,
    pub problems: Vec<Problem>,
    /// Keys of Frappe's files that are not used, or not as they are written.
    pub unused_keys: Vec<Unused>,
    /// The values that were read, at most one for each variable.
    pub values: Vec<(&'static Variable, Given)>,
}

impl<'a> Reader<'a> {
    /// `flags` maps a flag's name (`db-host`, or `db-password-file`) to its value.
    pub fn new(flags: &'a BTreeMap<String, String>, environment: &'a dyn Strings) -> Self {
        Self { flags, environment, problems: Vec::new(), unused_keys: Vec::new(), values: Vec::new() }
    }

    /// Returns the value that an operator set, if any, without white space around it unless it is a secret. A blank
    /// value counts as unset: charts render such variables, and files with Windows line ends have a CR in each.
    pub fn given(&mut self, name: &'static str) -> Option<Given> {
        let variable = variable::named(name);
        let flag = variable.flag();
        if let Some(value) = self.flags.get(&flag).and_then(|value| text_of(value, variable.is_secret())) {
            return self.accept(variable, Given { value, source: Source::Flag(flag) });
        }
        let file_flag = format!("{flag}-file");
        if let Some(path) = self.flags.get(&file_flag).and_then(|path| text_of(path, false)) {
            return self.read_file(variable, Source::File(format!("--{file_flag}"), path.into()));
        }
        let candidates: Vec<&str> = std::iter::once(name).chain(variable.aliases.iter().copied()).collect();
        for candidate in candidates {
            let value = self.environment_text(candidate, variable.is_secret());
            let file_variable = Variable::file_name(candidate);
            let path = self.environment_text(&file_variable, false);
            match (value, path) {
                (Some(_), Some(_)) => {
                    self.problem(
                        name,
                        Some(Source::Environment(file_variable.clone())),
                        format!("both {candidate} and {file_variable} are set"),
                        format!("unset one of them; {file_variable} is safer"),
                    );
                    return None;
                }
                (Some(value), None) => {
                    let source = Source::Environment(candidate.into());
                    return self.accept(variable, Given { value, source });
                }
                (None, Some(path)) => {
                    return self.read_file(variable, Source::File(file_variable, path.into()));
                }
                (None, None) => {}
            }
        }
        None
    }

    /// Like [`given`](Self::given), but falls back to Frappe's own variable, then the bench's own file, then a default.
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
        let fallback = self.frappe_override(name).or(bench).or(default)?;
        Some(self.record(variable::named(name), fallback))
    }

    /// Parses a value, and records a problem if it is invalid. If the value may contain a login, the quotation in the
    /// cause is not shown.
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
                let is_hidden = hides_quotes(variable::named(name).kind, &given.value, &cause);
                let cause = if is_hidden { without_quotes(&cause) } else { cause };
                let hint = if is_quoted(&given.value) && !cause.contains("quotes") {
                    format!("{hint}; the quotes around the value are part of it: remove them")
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

    /// Returns a variable of the environment as it is. None if it is blank.
    pub fn environment(&self, name: &str) -> Option<String> {
        self.environment.get(name)?.into_string().ok().filter(|value| !value.trim().is_empty())
    }

    /// Returns the names of all variables of the environment, sorted.
    pub fn environment_names(&self) -> Vec<String> {
        let mut names = self.environment.names();
        names.sort_unstable();
        names
    }

    /// Returns one of Frappe's own variables, unless it is a service link.
    pub fn frappe_variable(&self, name: &str) -> Option<Given> {
        let value = self.environment(name).filter(|value| !is_service_link(value))?;
        Some(Given { value, source: Source::Environment(name.into()) })
    }

    /// Returns the value that Frappe's own variable gives to one of our settings.
    pub fn frappe_override(&self, setting: &str) -> Option<Given> {
        self.frappe_variable(name_of(setting)?)
    }

    /// Checks and keeps a value. The final line end of a secret is removed, since `echo pw | base64` adds one; any
    /// other control character would make a password that cannot be typed.
    fn accept(&mut self, variable: &'static Variable, mut given: Given) -> Option<Given> {
        if variable.is_secret() {
            let text = without_line_end(&given.value);
            if text.len() < given.value.len() {
                warn_of_line_end(variable.name);
            }
            given.value = text.to_string();
            if given.value.trim().is_empty() {
                let cause = "it is empty or only blanks";
                self.problem(variable.name, Some(given.source), cause, "write the value into it");
                return None;
            }
            if given.value.len() > MAX_SECRET_BYTES {
                let cause = format!("it is larger than {} kB, as no secret is", MAX_SECRET_BYTES / 1000);
                self.problem(variable.name, Some(given.source), cause, "name the file that has the secret");
                return None;
            }
            if given.value.contains(char::is_control) {
                let cause = "it contains a control character (a line end, a tab)";
                let hint = "write the secret without it";
                self.problem(variable.name, Some(given.source), cause, hint);
                return None;
            }
        }
        Some(self.record(variable, given))
    }

    fn record(&mut self, variable: &'static Variable, mut given: Given) -> Given {
        if !variable.is_secret() {
            given.value = given.value.trim().to_string();
        }
        if !self.values.iter().any(|(v, _)| v.name == variable.name) {
            self.values.push((variable, given.clone()));
        }
        given
    }

    fn environment_text(&mut self, name: &str, is_secret: bool) -> Option<String> {
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
        // Kubernetes injects `DB_PORT=tcp://10.0.0.1:5432` for a service named `db`; an operator did not set it.
        let is_link = name.ends_with("_PORT") && is_service_link(&value);
        text_of(&value, is_secret).filter(|_| !is_link)
    }

    fn read_file(&mut self, variable: &'static Variable, source: Source) -> Option<Given> {
        let Source::File(_, path) = &source else { return None };
        match bounded_file::read_text_or_pipe(path) {
            Ok(text) => {
                if text.trim().is_empty() {
                    self.problem(variable.name, Some(source), "the file is empty", "write the value into it");
                    return None;
                }
                self.accept(variable, Given { value: text, source })
            }
            Err(error) => {
                let cause = format!("cannot read the file: {error}");
                let hint = "mount the secret, make it readable for this user, and give its absolute path";
                self.problem(variable.name, Some(shown_file(source)), cause, hint);
                None
            }
        }
    }
}

/// True if a message must not quote any part of the value. In a setting that may hold a login, a part is quoted only from
/// JSON: its strings are quoted as a whole, so that a login is recognized.
fn hides_quotes(kind: Kind, value: &str, cause: &str) -> bool {
    match (kind, kind.secrecy()) {
        (Kind::AppList, _) => contains_login(value) || may_contain_login(cause),
        (_, Secrecy::Public) => may_contain_login(value),
        _ => true,
    }
}

/// Hides a path that may be the secret itself, set in NAME_FILE by mistake.
fn shown_file(source: Source) -> Source {
    match source {
        Source::File(name, path) if !path.is_absolute() || may_contain_login(&path.to_string_lossy()) => {
            match name.strip_prefix("--") {
                Some(flag) => Source::Flag(flag.into()),
                None => Source::Environment(name),
            }
        }
        source => source,
    }
}

#[cfg(test)]
mod tests;
