//! Runs Frappe's commands without `bench` and without a secret in any argv.
//!
//! Python reads the arguments as JSON from its standard input. A small prelude replaces
//! `frappe.database.get_command`, which puts the password into a URL that appears in the argv of psql, perl and
//! bash and that breaks on `@ / # %` (docs/frappe-contract.md#password-in-argv). The replacement removes the
//! password, which libpq reads from a PGPASSFILE, and encodes an IPv6 address or a socket's folder for a URL.
//! The prelude also fences off an attempt that is over, and leaves out `migrate`'s own question whether the servers answer,
//! which it asks by IPv4 only (docs/frappe-sites.md#connection-check-of-migrate). They have answered us.
//! It lets the command make the map of modules from its own apps:
//! of an app or module that the cached map lacks, install-app and migrate would make no DocType
//! (docs/frappe-contract.md#cached-app-lists).
//! An app of the bench needs no owner on GitHub, for whom install-app asks (docs/frappe-sites.md#owner-of-a-required-app).

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::outcome::{Fault, Result};

/// Runs `frappe.utils.bench_helper` with the arguments from standard input.
///
/// new-site begins with `DROP TABLE`, and migrate deletes DocTypes that its code does not contain. Such a step may
/// survive its leader, on a paused machine, without an open session that the next leader could end. It must not log in
/// to a site that another attempt made, so each of its sessions first runs the fence: SQL that fails if the attempt is
/// over. If that runs before the next leader records its own attempt, the next leader sees the session and ends it.
const PRELUDE: &str = r#"
import json, os, runpy, sys, urllib.parse
sys.argv = ['bench'] + json.load(sys.stdin)
import frappe.database
cached_map = frappe.setup_module_map
def own_map(*args, **kwargs):
    frappe.cache.delete_value('app_modules')
    return cached_map(*args, **kwargs)
frappe.setup_module_map = own_map
original = frappe.database.get_command
fence = []
def without_password(*args, **kwargs):
    if len(args) > 3:
        args = args[:3] + (None,) + args[4:]
    kwargs.pop('password', None)
    host = kwargs.get('host') or ''
    if ':' in host:
        kwargs['host'] = '[%s]' % host
    elif host.startswith('/'):
        kwargs['host'] = urllib.parse.quote(host, safe='')
    program, arguments, name = original(*args, **kwargs)
    if name == 'psql' and fence:
        first = ['-v', 'ON_ERROR_STOP=1', '-c', fence[0], '-c', r'\unset ON_ERROR_STOP', '-f', '-']
        arguments = [*arguments, *first]
    return program, arguments, name
frappe.database.get_command = without_password
import frappe.utils.connections
frappe.utils.connections.is_open = lambda *args, **kwargs: True
import psycopg2
connect = psycopg2.connect
fence.append('''FENCE''' % os.environ['PGAPPNAME'].rpartition('/')[2])
def fenced(*args, **kwargs):
    connection = connect(*args, **kwargs)
    with connection.cursor() as cursor:
        cursor.execute(fence[0])
    connection.rollback()
    return connection
psycopg2.connect = fenced
if 'install-app' in sys.argv:
    import frappe.installer
    ask_github = getattr(frappe.installer, 'find_org', None)
    def find_org(repository):
        return ('', repository) if repository in frappe.get_all_apps() else ask_github(repository)
    frappe.installer.find_org = find_org
runpy.run_module('frappe.utils.bench_helper', run_name='__main__')
"#;

/// The arguments of Python: `-c` and the prelude. [`arguments_json`] goes to its standard input. `fence` is SQL that
/// fails if the attempt is over; `%s` in it stands for the attempt.
pub fn python_arguments(fence: &str) -> [OsString; 2] {
    ["-c".into(), PRELUDE.replace("FENCE", fence).into()]
}

/// Frappe's command line, as the prelude reads it.
pub fn arguments_json(site: Option<&str>, arguments: &[&str]) -> Vec<u8> {
    let mut all = vec!["frappe"];
    if let Some(site) = site {
        all.extend(["--site", site]);
    }
    all.extend(arguments);
    serde_json::to_vec(&all).expect("strings are JSON")
}

/// A libpq password file, deleted when this value is dropped.
pub struct PasswordFile {
    path: PathBuf,
}

impl PasswordFile {
    /// Writes one entry for all hosts and ports: the file is for one step, which connects to one server.
    pub fn write(folder: &Path, user: &str, password: &SecretString) -> Result<Self> {
        let path = folder.join(format!("pgpass-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let line = format!("*:*:*:{}:{}\n", escape(user), escape(password.expose_secret()));
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .map_err(|error| Fault::file(format!("cannot write {}", path.display()), &error))?;
        Ok(Self { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PasswordFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Escapes `:` and `\` with `\`, as libpq's password file requires.
fn escape(text: &str) -> String {
    text.replace('\\', r"\\").replace(':', r"\:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_file_takes_any_password_and_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let file = PasswordFile::write(folder.path(), "frappe", &r#"a:b\c@/#%'" d"#.into()).unwrap();
        let path = file.path().to_path_buf();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "*:*:*:frappe:a\\:b\\\\c@/#%'\" d\n");
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn the_site_precedes_the_command() {
        let json = arguments_json(Some("s.local"), &["migrate"]);
        assert_eq!(json, br#"["frappe","--site","s.local","migrate"]"#);
    }
}
