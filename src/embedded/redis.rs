//! The embedded Redis: separate databases for cache and queue, persisted, with a password.

use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use secrecy::{ExposeSecret, SecretString};

use super::data::DataFolder;
use super::find_program;
use crate::config::Config;
use crate::config::redis_url::RedisUrl;
use crate::frappe::environment::ChildEnvironment;
use crate::outcome::{Fault, Result};
use crate::supervise::spawn::{Spec, Stdin};

pub struct Redis {
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    password: SecretString,
}

pub fn prepare(data: &DataFolder) -> Result<Redis> {
    let program = find_program("redis-server", &[], "redis-server")?;
    let folder = data.folder("redis")?;
    Ok(Redis { program, folder, port: data.port("redis.port")?, password: data.password("redis.password")? })
}

impl Redis {
    pub fn configure(&self, config: &mut Config) -> Result<()> {
        let url = |database: u8| {
            let text =
                format!("redis://:{}@127.0.0.1:{}/{database}", self.password.expose_secret(), self.port);
            RedisUrl::parse(&text).map_err(|error| Fault::configuration(error, "report this as a bug"))
        };
        config.redis.cache = Some(url(0)?);
        config.redis.queue = Some(url(1)?);
        Ok(())
    }

    pub fn spec(&self, data: &DataFolder) -> (Spec, Signal) {
        self.spec_with(data, self.settings())
    }

    /// A server on a socket alone, for data that nobody keeps.
    pub fn private_spec(&self, data: &DataFolder, socket: &Path) -> (Spec, Signal) {
        let settings = format!(
            "port 0\nunixsocket \"{}\"\nunixsocketperm 700\nrequirepass {}\ndir \"{}\"\npidfile \"{}\"\n\
             save \"\"\nloglevel warning\n",
            socket.display(),
            self.password.expose_secret(),
            self.folder.display(),
            self.folder.join("redis.pid").display(),
        );
        self.spec_with(data, settings)
    }

    /// The URL of one of its databases over the socket, as redis-py reads it.
    pub fn private_url(&self, socket: &Path, database: u8) -> String {
        format!("unix://:{}@{}?db={database}", self.password.expose_secret(), socket.display())
    }

    fn spec_with(&self, data: &DataFolder, settings: String) -> (Spec, Signal) {
        let mut spec = Spec::new("redis", &self.program);
        // `-`: the configuration comes on standard input, so that the password is not in argv.
        spec.args = vec!["-".into()];
        spec.stdin = Stdin::Bytes(settings.into_bytes().into());
        spec.env = ChildEnvironment::inherited().into_map();
        spec.cwd = Some(self.folder.clone());
        spec.identity.clone_from(&data.identity);
        spec.parent_death_signal = Some(Signal::SIGTERM);
        (spec, Signal::SIGTERM)
    }

    fn settings(&self) -> String {
        let quoted = |path: &Path| format!("\"{}\"", path.display());
        format!(
            "bind 127.0.0.1\nport {}\nrequirepass {}\ndir {}\npidfile {}\n\
             appendonly yes\nsave \"\"\nloglevel warning\n",
            self.port,
            self.password.expose_secret(),
            quoted(&self.folder),
            quoted(&self.folder.join("redis.pid")),
        )
    }
}
