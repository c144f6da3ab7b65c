//! The logins for git, in files that only this user can read, which exist only while git is needed.
//!
//! A token is never in an argv, in the environment, or in a URL that git stores: git requests it through
//! [`askpass`](super::askpass), which answers only for the token's own host. ssh gets a configuration with a block for
//! each host.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::cli::ASKPASS;
use crate::config::apps::AppSpec;
use crate::config::apps::location::host;
use crate::config::git::{GitConfig, HostAuth, SshAuth};
use crate::frappe::environment::ChildEnvironment;
use crate::outcome::{Fault, Result};

/// The user name for a token without one. Servers accept any name with a token; the documentation of GitHub uses this.
const ANY_USER: &str = "x-access-token";

/// The file with the logins of all hosts.
pub(super) const TABLE: &str = "logins.json";

/// The login for one host.
#[derive(Serialize, Deserialize)]
pub(super) struct Login {
    pub user: String,
    pub password: String,
}

pub(super) type Table = BTreeMap<String, Login>;

/// The files with the logins; they are deleted when this value is dropped.
pub struct Logins {
    folder: TempDir,
    /// The secrets that no line of output may contain.
    secrets: Vec<SecretString>,
}

impl Logins {
    /// Writes the files.
    pub fn write(runtime_dir: &Path, config: &GitConfig, apps: &[AppSpec]) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("git-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(runtime_dir)
            .map_err(|error| Fault::file(format!("cannot write {}", runtime_dir.display()), &error))?;
        let table = table(config, apps)?;
        let secrets = table.values().map(|login| login.password.clone().into()).collect();
        let logins = Self { folder, secrets };
        logins.put(TABLE, &serde_json::to_vec(&table).expect("a table is JSON"))?;
        std::env::current_exe()
            .and_then(|program| symlink(program, logins.path(ASKPASS)))
            .map_err(|error| Fault::file("cannot link to this program", &error))?;
        logins.put("gitconfig", gitconfig().as_bytes())?;
        logins.put("ssh_config", logins.ssh_config(&config.hosts)?.as_bytes())?;
        Ok(logins)
    }

    /// Sets the variables by which git finds the files.
    pub fn configure_git(&self, environment: &mut ChildEnvironment) {
        environment
            .set("GIT_ASKPASS", self.path(ASKPASS))
            .set("GIT_CONFIG_GLOBAL", self.path("gitconfig"))
            .set("GIT_SSH_COMMAND", format!("ssh -F {}", shell_word(&self.path("ssh_config"))));
    }

    /// Replaces the secrets in a line: a server may repeat what was sent to it.
    pub fn redacted(&self, line: &str) -> String {
        let secrets = self.secrets.iter().map(ExposeSecret::expose_secret).filter(|secret| secret.len() >= 4);
        secrets.fold(line.to_string(), |line, secret| line.replace(secret, "***"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write_private(&self.path(name), bytes)
    }

    fn ssh_config(&self, hosts: &[HostAuth]) -> Result<String> {
        let mut text = String::new();
        for (index, (auth, ssh)) in
            hosts.iter().filter_map(|auth| Some((auth, auth.ssh.as_ref()?))).enumerate()
        {
            let name = auth.host.split(':').next().unwrap_or_default();
            let key = self.usable_key(index, ssh)?;
            check_readable(&ssh.known_hosts_file)?;
            text.push_str(&format!(
                "Host {name}\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n",
                quoted(&key),
                quoted(&ssh.known_hosts_file)
            ));
        }
        // No prompts, because there is no user to answer them; no trust in unknown hosts.
        text.push_str(
            "Host *\n  BatchMode yes\n  StrictHostKeyChecking yes\n  ConnectTimeout 15\n  ServerAliveInterval 15\n",
        );
        Ok(text)
    }

    /// Copies the key file if ssh would refuse it: if other users may read it, as with mounted secrets, or if its last
    /// line has no line end, as with pasted secrets.
    fn usable_key(&self, index: usize, ssh: &SshAuth) -> Result<PathBuf> {
        let path = &ssh.key_file;
        let fault = |error: &std::io::Error| unreadable(path, error);
        let mut bytes = fs::read(path).map_err(|error| fault(&error))?;
        let mode = fs::metadata(path).map_err(|error| fault(&error))?.mode();
        if mode & 0o077 == 0 && bytes.ends_with(b"\n") {
            return Ok(path.clone());
        }
        if !bytes.ends_with(b"\n") {
            bytes.push(b'\n');
        }
        let copy = self.path(&format!("key-{index}"));
        write_private(&copy, &bytes)?;
        Ok(copy)
    }
}

/// The logins by host: those of the configuration, overridden by those in URLs.
fn table(config: &GitConfig, apps: &[AppSpec]) -> Result<Table> {
    let mut table = Table::new();
    for auth in &config.hosts {
        let Some(token) = &auth.token else { continue };
        let text = fs::read_to_string(&token.file).map_err(|error| unreadable(&token.file, &error))?;
        let user = token.user.clone().unwrap_or_else(|| ANY_USER.into());
        table.insert(auth.host.clone(), Login { user, password: text.trim().into() });
    }
    for app in apps {
        let (Some(login), Some(host)) = (&app.login, app.url.as_deref().and_then(host)) else { continue };
        let user = login.user.clone().unwrap_or_else(|| ANY_USER.into());
        table.insert(host.into(), Login { user, password: login.password.expose_secret().into() });
    }
    Ok(table)
}

/// The configuration for git. It includes the user's own, where a proxy or a CA may be set.
fn gitconfig() -> String {
    let home = std::env::var("HOME").ok().filter(|home| home.starts_with('/'));
    let include = home.map_or(String::new(), |home| format!("[include]\n\tpath = {home}/.gitconfig\n"));
    // Reading a repository of another user is safe because hooks are off. No credential helper may store the logins. A
    // stalled connection is closed after a minute.
    format!(
        "{include}[safe]\n\tdirectory = *\n[credential]\n\thelper =\n[core]\n\thooksPath = /dev/null\n\
         [advice]\n\tdetachedHead = false\n[gc]\n\tauto = 0\n[init]\n\tdefaultBranch = main\n\
         [http]\n\tlowSpeedLimit = 100\n\tlowSpeedTime = 60\n[protocol \"ext\"]\n\tallow = never\n"
    )
}

fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|error| Fault::file(format!("cannot write {}", path.display()), &error))
}

fn check_readable(path: &Path) -> Result<()> {
    fs::File::open(path).map(drop).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Fault {
    Fault::configuration(
        format!("CAULDRON_GIT_AUTH: cannot read {}: {error}", path.display()),
        "mount the secret so that this user can read it",
    )
}

/// A path in double quotes, as ssh_config(5) requires for arguments with spaces.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

/// A path quoted for the shell through which git runs GIT_SSH_COMMAND.
fn shell_word(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::super::askpass;
    use super::*;
    use crate::config::git::TokenAuth;
    use std::time::Duration;

    #[test]
    fn a_token_is_given_only_to_its_own_host_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        fs::write(&token, "canary\n").unwrap();
        let auth = |host: &str| HostAuth {
            host: host.into(),
            token: Some(TokenAuth { user: None, file: token.clone() }),
            ssh: None,
        };
        let config =
            GitConfig { hosts: vec![auth("h:8443")], timeout: Duration::from_secs(1), submodules: true };
        let logins = Logins::write(folder.path(), &config, &[]).unwrap();
        assert_eq!(logins.redacted("remote: bad canary"), "remote: bad ***");
        assert_eq!(fs::metadata(logins.path(TABLE)).unwrap().mode() & 0o777, 0o600);
        let answer = |prompt: &str| askpass::answer(&logins.path(ASKPASS), prompt);
        assert_eq!(answer("Password for 'https://x@h:8443': ").as_deref(), Some("canary"));
        assert_eq!(answer("Username for 'https://h:8443': ").as_deref(), Some(ANY_USER));
        assert_eq!(answer("Passphrase for 'https://h:8443': "), None);
        for other in ["https://h", "https://evil", "https://h:8443.evil", "https://x@evil/h:8443"] {
            assert_eq!(answer(&format!("Password for '{other}': ")), None, "{other}");
        }
        let path = logins.folder.path().to_path_buf();
        drop(logins);
        assert!(!path.exists());
    }
}
