//! The embedded PostgreSQL.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use secrecy::SecretString;

use super::data::DataFolder;
use super::{find_program, initdb};
use crate::config::Config;
use crate::config::database::Login;
use crate::frappe::environment::ChildEnvironment;
use crate::outcome::{Fault, Flow, Result};
use crate::supervise::process::Processes;
use crate::supervise::signals::Shutdown;
use crate::supervise::spawn::Spec;

/// The superuser of the cluster.
pub(super) const SUPERUSER: &str = "postgres";
/// Only a part of the socket's name.
pub const PRIVATE_PORT: u16 = 5432;

/// An existing cluster, with its port and the password of its superuser.
pub struct Postgres {
    binaries: PathBuf,
    cluster: PathBuf,
    port: u16,
    password: SecretString,
}

/// Creates the cluster at the first start, under a temporary name, and renames it when it is complete.
pub async fn prepare(data: &DataFolder, processes: &Processes, shutdown: &Shutdown) -> Flow<Postgres> {
    let cluster = data.path.join("postgres");
    let binaries = binaries(&cluster)?;
    let password = data.password("postgres.password")?;
    if !cluster.exists() {
        let unfinished = data.path.join("postgres.unfinished");
        // It is ours and was never started: initdb was interrupted.
        let _ = fs::remove_dir_all(&unfinished);
        initdb::run(data, &binaries, &unfinished, &password, processes, shutdown).await?;
        fs::rename(&unfinished, &cluster)
            .map_err(|error| Fault::file(format!("cannot create {}", cluster.display()), &error))?;
    }
    Ok(Postgres { binaries, cluster, port: data.port("postgres.port")?, password })
}

impl Postgres {
    /// Enters it into the configuration, with the administrator's login.
    pub fn configure(&self, config: &mut Config) {
        let site = config.site.clone();
        if let Some(database) = &mut config.database {
            database.host = "127.0.0.1".into();
            database.port = self.port;
            database.login = Some(Login { user: SUPERUSER.into(), password: Some(self.password.clone()) });
            database.name = database.name.take().or_else(|| site.as_deref().map(database_name));
        }
    }

    pub fn spec(&self, data: &DataFolder) -> (Spec, Signal) {
        let settings = [
            "listen_addresses=127.0.0.1".to_string(),
            format!("port={}", self.port),
            "unix_socket_directories=".into(),
            "log_min_messages=fatal".into(),
        ];
        self.spec_with(data, &settings)
    }

    /// A server that listens on a socket in `folder` alone, for data that nobody keeps.
    pub fn private_spec(&self, data: &DataFolder, folder: &Path) -> (Spec, Signal) {
        let settings = [
            "listen_addresses=".to_string(),
            format!("port={PRIVATE_PORT}"),
            format!("unix_socket_directories={}", folder.display()),
            "log_min_messages=fatal".into(),
            "fsync=off".into(),
            "full_page_writes=off".into(),
            "wal_level=minimal".into(),
            "max_wal_senders=0".into(),
            "max_connections=60".into(),
            // A migrate of 1,500 tables in one transaction.
            "max_locks_per_transaction=1024".into(),
        ];
        self.spec_with(data, &settings)
    }

    /// The login of its superuser.
    pub fn login(&self) -> Login {
        Login { user: SUPERUSER.into(), password: Some(self.password.clone()) }
    }

    fn spec_with(&self, data: &DataFolder, settings: &[String]) -> (Spec, Signal) {
        let mut spec = Spec::new("postgres", self.binaries.join("postgres"));
        spec.args = vec!["-D".into(), self.cluster.clone().into()];
        for setting in settings {
            spec.args.extend(["-c".into(), setting.into()]);
        }
        spec.env = ChildEnvironment::inherited().into_map();
        spec.cwd = Some(data.path.clone());
        spec.identity.clone_from(&data.identity);
        // Fast shutdown: sessions are ended, a checkpoint is written.
        spec.parent_death_signal = Some(Signal::SIGINT);
        (spec, Signal::SIGINT)
    }
}

/// Derives a database name: `erp.example.com` → `erp_example_com`.
fn database_name(site: &str) -> String {
    let name: String =
        site.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    let name: String = name.chars().take(60).collect();
    if name.starts_with("template") || name == "postgres" { format!("_{name}") } else { name }
}

/// Returns the folder of the programs: of the cluster's version, or of the newest version for a new cluster.
fn binaries(cluster: &Path) -> Result<PathBuf> {
    let version = fs::read_to_string(cluster.join("PG_VERSION")).ok();
    let mut folders: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").is_file())
        .collect();
    folders.sort();
    folders.reverse();
    if let Some(version) = version.as_deref().and_then(|text| text.trim().parse::<u32>().ok()) {
        folders.retain(|(major, _)| *major == version);
    }
    let folders: Vec<PathBuf> = folders.into_iter().map(|(_, bin)| bin).collect();
    let initdb = find_program("initdb", &folders, "postgresql")?;
    // Debian links initdb into PATH; the other programs are beside the link's target.
    let real = fs::canonicalize(&initdb).unwrap_or(initdb);
    Ok(real.parent().unwrap_or(Path::new("/")).to_path_buf())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_database_name_is_derived_from_the_site() {
        assert_eq!(super::database_name("erp.Example.com"), "erp_example_com");
        assert_eq!(super::database_name("template1"), "_template1");
    }
}
