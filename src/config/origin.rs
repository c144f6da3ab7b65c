//! The sources of a configuration, kept to reload it when a mounted secret changes.
//!
//! The environment is cleared after the first read; its values are kept here, only in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::reader::Reader;
use super::secret_values::secret_values;
use super::source::{Given, Problem, Source};
use super::variable::{VARIABLES, Variable};
use super::{Config, Needs, load};

/// Every value as a flag; values from files as the file's path.
#[derive(Clone, Default)]
pub struct Origin {
    flags: BTreeMap<String, String>,
    files: Vec<PathBuf>,
    /// True if the Redis servers are those in the bench's common_site_config.json.
    from_bench: bool,
    embedded: bool,
}

/// The values may be secrets.
impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Origin {
    pub fn of(values: &[(&'static Variable, Given)], embedded: bool) -> Self {
        let mut origin = Self { embedded, ..Self::default() };
        for (variable, given) in values {
            match &given.source {
                Source::File(_, path) => {
                    origin.flags.insert(format!("{}-file", variable.flag()), path.display().to_string());
                    origin.files.push(path.clone());
                }
                Source::Flag(_) | Source::Environment(_) => {
                    origin.flags.insert(variable.flag(), given.value.clone());
                }
                Source::Bench(_) => origin.from_bench |= variable.name.starts_with("REDIS_"),
                Source::Default => {}
            }
        }
        origin
    }

    /// Returns the mounted files from which values were read.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Returns the secrets that the settings and the bench's files hold now.
    pub fn secret_values(&self, sites: &Path) -> Vec<String> {
        let no_environment: BTreeMap<&str, &str> = BTreeMap::new();
        let mut reader = Reader::new(&self.flags, &no_environment);
        for variable in VARIABLES {
            reader.given(variable.name);
        }
        secret_values(&reader, sites)
    }

    /// True if the Redis servers come from the bench's own file, as in the chart for all roles but web.
    pub fn is_from_bench(&self) -> bool {
        self.from_bench
    }

    /// Loads the configuration again, with the current contents of the files.
    ///
    /// # Errors
    /// Returns the problems, for example a secret that is just being replaced.
    pub fn reload(&self) -> Result<Config, Vec<Problem>> {
        let no_environment: BTreeMap<&str, &str> = BTreeMap::new();
        let mut reader = Reader::new(&self.flags, &no_environment);
        let needs = Needs::SERVERS;
        match load(&mut reader, needs, self.embedded) {
            Some(config) if reader.problems.is_empty() => Ok(config),
            _ => Err(reader.problems),
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn files_are_reloaded_and_other_values_stay() {
        let folder = tempfile::tempdir().unwrap();
        for part in ["apps/frappe", "env/bin", "sites"] {
            std::fs::create_dir_all(folder.path().join(part)).unwrap();
        }
        std::fs::write(folder.path().join("env/bin/python"), "").unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "first\n").unwrap();
        let (bench, path) = (folder.path().display().to_string(), secret.display().to_string());
        let environment: BTreeMap<&str, &str> = BTreeMap::from([
            ("CAULDRON_BENCH", bench.as_str()),
            ("SITE_NAME", "erp.test"),
            ("DB_HOST", "pg"),
            ("DB_NAME", "frappe"),
            ("DB_PASSWORD_FILE", path.as_str()),
            ("SITE_DB_PASSWORD", "canary"),
            ("REDIS_CACHE", "redis://r/0"),
            ("REDIS_QUEUE", "redis://r/1"),
        ]);
        let flags = BTreeMap::new();
        let mut reader = Reader::new(&flags, &environment);
        let needs = Needs::SERVERS;
        let config = load(&mut reader, needs, false).unwrap_or_else(|| panic!("{:?}", reader.problems));
        assert_eq!(config.origin.files(), std::slice::from_ref(&secret));
        assert!(!format!("{:?}", config.origin).contains("canary"));
        std::fs::write(&secret, "second\n").unwrap();
        let again = config.origin.reload().unwrap();
        let password = |config: &Config| {
            let login = config.database.as_ref().and_then(|database| database.login.clone());
            login.and_then(|login| login.password).map(|password| password.expose_secret().to_string())
        };
        assert_eq!((password(&config), password(&again)), (Some("first".into()), Some("second".into())));
        assert_eq!(again.site_db_password.as_ref().map(|p| p.expose_secret()), Some("canary"));
        let secrets = config.origin.secret_values(folder.path());
        assert!(["second", "canary"].iter().all(|value| secrets.iter().any(|secret| secret == value)));
        std::fs::remove_file(&secret).unwrap();
        assert!(config.origin.reload().is_err());
    }
}
