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
    secrets.extend(
        logins(to.expose_secret()).into_iter().flat_map(|login| login.split(':').map(str::to_string)),
    );
    Ok((environment.into_map(), secrets))
}

/// What may be a login in the repository's URL: up to the first @, and up to the last one, as a password may contain one. A
/// folder has none, and neither has `sftp:user@host:/path`.
fn logins(to: &str) -> Vec<&str> {
    let url = if to.starts_with('/') || to.starts_with("local:") { None } else { to.split_once("//") };
    let Some((_, rest)) = url else { return Vec::new() };
    [rest.split_once('@'), rest.rsplit_once('@')].into_iter().flatten().map(|(login, _)| login).collect()
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
        assert_eq!(secrets, ["key", "pw", "u", "canary", "u", "canary"]);
    }

    #[test]
    fn a_login_is_in_a_url_alone() {
        assert_eq!(logins("rest:https://u:p@h/a@b"), ["u:p", "u:p@h/a"]);
        assert_eq!(logins("sftp://u@h//p"), ["u", "u"]);
        for to in ["/backups/a@b", "/backups//a@b", "local:/a@b", "sftp:user@host:/path", "s3:https://h/b"] {
            assert!(logins(to).is_empty(), "{to}");
        }
    }

    #[test]
    fn nothing_runs_without_repository_and_password() {
        for (to, password) in [(None, Some("pw")), (Some("/b"), None)] {
            assert_eq!(of(&config(to, password)).unwrap_err().code, crate::outcome::CONFIGURATION);
        }
    }
}
