//! The environment of restic: ours without secrets, the repository, its password and the credentials of its server.

use std::collections::BTreeMap;
use std::ffi::OsString;

use secrecy::ExposeSecret;

use crate::config::backup::{BackupConfig, PASSWORD, REPOSITORY, names_of_credentials};
use crate::frappe::environment::ChildEnvironment;
use crate::outcome::{Fault, Result};

/// The most cores that restic uses: it is beside a site that is served.
const MAX_CORES: &str = "2";

/// The environment of restic, and every secret in it.
///
/// # Errors
/// 78 if the repository or its password is not configured.
pub fn of(config: &BackupConfig) -> Result<(BTreeMap<OsString, OsString>, Vec<String>)> {
    let missing = |name: &str, hint: &str| Fault::configuration(format!("{name} is not set"), hint);
    let to = config.to.as_ref().ok_or_else(|| {
        missing(
            REPOSITORY,
            "set it to the repository of the backups: /backups/erp, or s3:https://host/bucket/path",
        )
    })?;
    let password = config.password.as_ref().ok_or_else(|| {
        missing(
            PASSWORD,
            "set CAULDRON_BACKUP_PASSWORD_FILE, and keep the password outside of this cluster, too",
        )
    })?;
    let mut environment = ChildEnvironment::inherited();
    for name in names_of_credentials() {
        environment.unset(&name);
    }
    for (name, value) in &config.environment {
        environment.set(name, value.expose_secret());
    }
    // Messages are classified by their English text.
    environment.set("LC_ALL", "C").set("RESTIC_PROGRESS_FPS", "0.5").set("GOMAXPROCS", MAX_CORES);
    environment.set("RESTIC_REPOSITORY", to.expose_secret()).set("RESTIC_PASSWORD", password.expose_secret());
    let secrets = config.environment.iter().map(|(_, value)| value).chain([password]);
    let mut secrets: Vec<String> = secrets.map(|secret| secret.expose_secret().to_string()).collect();
    // A login in the repository's URL.
    if let Some((login, _)) = to.expose_secret().rsplit_once('@') {
        let login = login.rsplit("//").next().unwrap_or(login);
        secrets.extend(login.split(':').map(str::to_string));
    }
    Ok((environment.into_map(), secrets))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;
    use crate::config::backup::keep::Keep;

    fn config(to: Option<&str>, password: Option<&str>) -> BackupConfig {
        let environment = vec![("AWS_SECRET_ACCESS_KEY".to_string(), "key".into())];
        let (to, password) = (to.map(Into::into), password.map(Into::into));
        BackupConfig {
            to,
            password,
            keep: Keep::default(),
            rate_bytes: 0,
            schedule: None,
            environment,
            for_child: Vec::new(),
        }
    }

    #[test]
    fn restic_gets_repository_password_and_credentials_and_all_are_secrets() {
        let (environment, secrets) = of(&config(Some("rest:https://u:canary@h/"), Some("pw"))).unwrap();
        assert_eq!(environment[OsStr::new("RESTIC_PASSWORD")], "pw");
        assert_eq!(environment[OsStr::new("AWS_SECRET_ACCESS_KEY")], "key");
        assert_eq!(secrets, ["key", "pw", "u", "canary"]);
    }

    #[test]
    fn nothing_runs_without_repository_and_password() {
        for (to, password) in [(None, Some("pw")), (Some("/b"), None)] {
            assert_eq!(of(&config(to, password)).unwrap_err().code, crate::outcome::CONFIGURATION);
        }
    }
}
