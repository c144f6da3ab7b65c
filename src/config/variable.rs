//! The settings: variable, flag, default, help, and whether the value is a secret.
//!
//! One table is the source of the command line, the environment, `--print-config` and docs/configuration.md, which a
//! test compares with it. A flag is its variable in lower case with dashes, without `CAULDRON_`.

mod table;

pub use self::table::{RUN_SETTINGS, VARIABLES};

/// One setting.
#[derive(Debug)]
pub struct Variable {
    pub name: &'static str,
    /// Other names that existing manifests use (docs/before.md#variable-names), tried in this order.
    pub aliases: &'static [&'static str],
    /// True if the value is never shown and no child inherits it.
    pub secret: bool,
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
    // URLs may contain a login.
    let with_urls =
        |name: &str| name.starts_with("REDIS_") || matches!(name, "CAULDRON_APPS" | "CUSTOM_APPS");
    let ours = VARIABLES.iter().filter(move |v| v.secret || with_urls(v.name)).flat_map(|v| {
        std::iter::once(v.name)
            .chain(v.aliases.iter().copied())
            .flat_map(|name| [name.to_string(), Variable::file_name(name)])
    });
    let frappes = ["FRAPPE_DB_PASSWORD", "FRAPPE_REDIS_CACHE", "FRAPPE_REDIS_QUEUE"];
    ours.chain(frappes.map(str::to_string))
}
