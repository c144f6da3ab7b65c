//! The environment without the settings that have a problem.

use std::ffi::OsString;

use crate::config::frappe_environment;
use crate::config::source::{Problem, Strings};
use crate::config::variable::{VARIABLES, Variable};

/// The environment without the variables that cannot be read, so that the others can be read.
pub struct Without<'a> {
    environment: &'a dyn Strings,
    hidden: Vec<String>,
}

impl<'a> Without<'a> {
    pub fn problems(environment: &'a dyn Strings, problems: &[Problem]) -> Self {
        Self { environment, hidden: names_of(problems) }
    }

    pub fn hides_flag(&self, flag: &str) -> bool {
        let flag = flag.strip_suffix("-file").unwrap_or(flag);
        VARIABLES.iter().any(|v| v.flag() == flag && self.hidden.iter().any(|name| name == v.name))
    }
}

impl Strings for Without<'_> {
    fn get(&self, name: &str) -> Option<OsString> {
        if self.hidden.iter().any(|hidden| hidden == name) { None } else { self.environment.get(name) }
    }

    fn names(&self) -> Vec<String> {
        self.environment.names()
    }
}

/// Every name of the variables of these problems: their aliases, Frappe's names, and `…_FILE`.
fn names_of(problems: &[Problem]) -> Vec<String> {
    let variables = VARIABLES.iter().filter(|v| problems.iter().any(|p| p.variable == v.name));
    let names = variables.flat_map(|v| {
        let frappes = frappe_environment::name_of(v.name);
        std::iter::once(v.name).chain(v.aliases.iter().copied()).chain(frappes)
    });
    names.flat_map(|name| [name.to_string(), Variable::file_name(name)]).collect()
}
