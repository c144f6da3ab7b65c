//! Access to Git repositories: logins by host, and the time limit of a git command.
//!
//! ```json
//! {"git.example.com": {"user": "oauth2", "token_file": "/run/secrets/git-token"},
//!  "github.com": {"ssh_key_file": "/run/secrets/deploy-key", "known_hosts_file": "/run/secrets/known_hosts"}}
//! ```

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::reader::Reader;
use super::value::{read_choice, read_duration, read_parsed};

/// Settings of git, except the repositories.
#[derive(Clone, Debug)]
pub struct GitConfig {
    pub hosts: Vec<HostAuth>,
    /// Time limit of one command.
    pub timeout: Duration,
    /// True if an app's submodules are fetched.
    pub submodules: bool,
}

/// The login for one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAuth {
    /// With the port, if the URL has one.
    pub host: String,
    pub token: Option<TokenAuth>,
    pub ssh: Option<SshAuth>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenAuth {
    pub user: Option<String>,
    pub file: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshAuth {
    pub key_file: PathBuf,
    pub known_hosts_file: PathBuf,
}

/// YAML reads an unquoted `off` as false.
const SWITCH: [(&str, bool); 4] = [("on", true), ("off", false), ("true", true), ("false", false)];

const HINT: &str = r#"write {"host":{"token_file":"/run/secrets/token"}} or {"host":{"ssh_key_file":"/…","known_hosts_file":"/…"}}"#;

/// Reads the settings. The files themselves are read when they are needed, by the one pod that fetches.
pub fn read(reader: &mut Reader<'_>) -> Option<GitConfig> {
    let hosts = read_parsed(reader, "CAULDRON_GIT_AUTH", parse, HINT).unwrap_or_default();
    let timeout = read_duration(reader, "CAULDRON_GIT_TIMEOUT", Some("10m"));
    let submodules = read_choice(reader, "CAULDRON_GIT_SUBMODULES", "on", &SWITCH);
    Some(GitConfig { hosts, timeout: timeout?, submodules: submodules? })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    user: Option<String>,
    token_file: Option<PathBuf>,
    ssh_key_file: Option<PathBuf>,
    known_hosts_file: Option<PathBuf>,
}

fn parse(text: &str) -> Result<Vec<HostAuth>, String> {
    // The message gives only the position of a mistake: the value may be the token itself.
    let values: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).map_err(|error| {
        format!("not a JSON object of hosts (line {}, column {})", error.line(), error.column())
    })?;
    values.into_iter().map(|(host, value)| host_auth(&host, value)).collect()
}

fn host_auth(host: &str, value: serde_json::Value) -> Result<HostAuth, String> {
    if !super::apps::location::is_host(host) {
        return Err("a key is not a host name with or without a port".into());
    }
    let entry: Entry = serde_json::from_value(value).map_err(|_| {
        format!("{host}: only user, token_file, ssh_key_file and known_hosts_file are allowed, each a string")
    })?;
    let paths = [&entry.token_file, &entry.ssh_key_file, &entry.known_hosts_file];
    if paths.into_iter().flatten().any(|path| !path.is_absolute()) {
        return Err(format!("{host}: a file is not an absolute path"));
    }
    let ssh = match (entry.ssh_key_file, entry.known_hosts_file) {
        (Some(key_file), Some(known_hosts_file)) => Some(SshAuth { key_file, known_hosts_file }),
        (None, None) => None,
        _ => return Err(format!("{host}: ssh_key_file and known_hosts_file need each other")),
    };
    let token = entry.token_file.map(|file| TokenAuth { user: entry.user, file });
    if token.is_none() && ssh.is_none() {
        return Err(format!("{host}: it has neither token_file nor ssh_key_file"));
    }
    Ok(HostAuth { host: host.into(), token, ssh })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_its_own_login() {
        let hosts = parse(
            r#"{"h:8443":{"token_file":"/t","user":"u"},"g":{"ssh_key_file":"/k","known_hosts_file":"/n"}}"#,
        );
        let hosts = hosts.unwrap();
        assert_eq!(hosts[0].token.as_ref().unwrap().user.as_deref(), Some("u"));
        assert!(hosts[1].ssh.is_some() && hosts[1].token.is_none());
    }

    #[test]
    fn a_mistake_is_reported_without_the_value() {
        for bad in [
            r#"{"h":{"token":"canary"}}"#,
            r#"{"h":"canary"}"#,
            r#"{"h":{"token_file":"canary"}}"#,
            r#"{"h":{"ssh_key_file":"/canary"}}"#,
            r#"{"https://canary@h":{"token_file":"/t"}}"#,
            r#"{"h":{"user":"canary"}}"#,
            r#"{"u:canary":{"user":"u"}}"#,
            "canary",
        ] {
            let error = parse(bad).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
