//! The settings: variable, flag, type, default and help.
//!
//! One table is the source of the command line, the environment, `--print-config`, redaction and docs/configuration.md,
//! which a test compares with it. A flag is its variable in lower case with dashes, without `CAULDRON_`.

pub mod kind;
mod table;

use self::kind::{Kind, Secrecy};
pub use self::table::{RUN_SETTINGS, VARIABLES};
use super::frappe_environment;

/// One setting.
#[derive(Debug)]
pub struct Variable {
    pub name: &'static str,
    /// Other names that existing manifests use (docs/before.md#variable-names), tried in this order.
    pub aliases: &'static [&'static str],
    /// What it accepts, what 0 means, and whether it may hold a secret.
    pub kind: Kind,
    /// The default as documented. The value is set where the variable is read.
    pub default: &'static str,
    pub help: &'static str,
}

impl Variable {
    /// `CAULDRON_WEB_ADDR` → `web-addr`.
    pub fn flag(&self) -> String {
        self.name.strip_prefix("CAULDRON_").unwrap_or(self.name).to_ascii_lowercase().replace('_', "-")
    }

    /// Returns the variable that names a file with the value (a mounted secret).
    pub fn file_name(name: &str) -> String {
        format!("{name}_FILE")
    }

    /// True if the value is never shown.
    pub fn is_secret(&self) -> bool {
        self.kind.secrecy() == Secrecy::Secret
    }

    /// True if no child inherits the value.
    pub fn may_hold_secret(&self) -> bool {
        self.kind.secrecy() != Secrecy::Public
    }

    /// Returns help and type for the command line: `Grace period from TERM to KILL (duration: 10s; 0: no limit)`.
    pub fn description(&self) -> String {
        let zero = self.kind.zero().map(|zero| format!("; 0: {zero}")).unwrap_or_default();
        format!("{} ({}{zero})", self.help, self.kind.to_string().replace('`', ""))
    }
}

/// Returns the entry of a variable.
///
/// # Panics
/// If the name is not in the table: a bug, which any test that reads the configuration finds.
pub fn named(name: &str) -> &'static Variable {
    VARIABLES.iter().find(|v| v.name == name).unwrap_or_else(|| panic!("no variable {name} in the table"))
}

/// Returns the names of all variables that may contain a secret, and their `NAME_FILE`.
pub fn secret_names() -> impl Iterator<Item = String> {
    let ours = VARIABLES.iter().filter(|variable| variable.may_hold_secret()).flat_map(|variable| {
        std::iter::once(variable.name)
            .chain(variable.aliases.iter().copied())
            .flat_map(|name| [name.to_string(), Variable::file_name(name)])
    });
    ours.chain(frappe_environment::secret_names().map(str::to_string))
}
