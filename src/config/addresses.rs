//! The addresses at which users and the other roles reach this installation.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::bench_files::BenchFiles;
use super::frappe_keys;
use super::reader::Reader;
use super::value::{parse_origin, parse_site_url, read_parsed, read_path, read_port};

/// Frappe's default port of the socketio service.
const SOCKETIO_PORT: u16 = 9000;

pub struct Addresses {
    pub site_url: Option<String>,
    pub web_url: Option<String>,
    pub web_ca: Option<PathBuf>,
    pub socketio_port: Option<u16>,
    pub socketio_listen_port: u16,
}

/// Reads the addresses. Node reads the file of CAULDRON_WEB_CA, and only for socketio: other pods need not mount it.
pub fn read(reader: &mut Reader<'_>, files: &BenchFiles, runs_socketio: bool) -> Addresses {
    let site_url = read_parsed(reader, "CAULDRON_SITE_URL", parse_site_url, "write https://erp.example.com");
    let web_url = read_parsed(reader, "CAULDRON_WEB_URL", parse_origin, "write http://web:8000");
    let web_ca = read_path(reader, "CAULDRON_WEB_CA");
    if let Some(path) = web_ca.as_ref().filter(|_| runs_socketio) {
        check_web_ca(reader, path);
    }
    let given = reader.given_or("SOCKETIO_PORT", None, None);
    let socketio_port = read_port(reader, "SOCKETIO_PORT", given);
    let in_file = files.common_value("socketio_port").and_then(frappe_keys::port_of);
    let socketio_listen_port = socketio_port.or(in_file).unwrap_or(SOCKETIO_PORT);
    Addresses { site_url, web_url, web_ca, socketio_port, socketio_listen_port }
}

/// Records a problem unless the file holds a certificate: node would end at each start.
fn check_web_ca(reader: &mut Reader<'_>, path: &Path) {
    let cause = match std::fs::read(path) {
        Ok(bytes) if has_certificate(&String::from_utf8_lossy(&bytes)) => return,
        Ok(_) => "the file contains no PEM certificate".to_string(),
        Err(error) => format!("cannot read the file: {error}"),
    };
    let source = reader.values.iter().find(|(v, _)| v.name == "CAULDRON_WEB_CA");
    let source = source.map(|(_, given)| given.source.clone());
    let hint =
        "mount the CA of the web role's certificate there as a PEM file, readable for this user, or unset it";
    reader.problem("CAULDRON_WEB_CA", source, cause, hint);
}

fn has_certificate(text: &str) -> bool {
    let mut blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1);
    blocks.any(|block| {
        let body = block.split_once("-----END CERTIFICATE-----").map(|(body, _)| body.split_whitespace());
        let der = body.and_then(|body| STANDARD.decode(body.collect::<String>()).ok());
        // DER: a sequence.
        der.is_some_and(|der| der.first() == Some(&0x30))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn problems(environment: &[(&str, &str)], runs_socketio: bool) -> Vec<String> {
        let environment: BTreeMap<&str, &str> = environment.iter().copied().collect();
        let flags = BTreeMap::new();
        let mut reader = Reader::new(&flags, &environment);
        let _ = read(&mut reader, &BenchFiles::default(), runs_socketio);
        reader.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_web_ca_is_a_file_with_a_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let good =
            file("ca.pem", "# a CA\r\n-----BEGIN CERTIFICATE-----\r\nMIIB\r\n-----END CERTIFICATE-----\r\n");
        assert_eq!(problems(&[("CAULDRON_WEB_CA", &good)], true), Vec::<String>::new());
        let absent = folder.path().join("absent").display().to_string();
        let key = file("key.pem", "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n");
        for (path, cause) in [
            (absent, "cannot read the file"),
            (folder.path().display().to_string(), "cannot read the file"),
            (file("empty", ""), "no PEM certificate"),
            (file("cut", "-----BEGIN CERTIFICATE-----\nMIIB"), "no PEM certificate"),
            (key, "no PEM certificate"),
        ] {
            let problems = problems(&[("CAULDRON_WEB_CA", &path)], true);
            assert!(problems.len() == 1 && problems[0].contains(cause), "{path}: {problems:?}");
            assert!(problems[0].contains("as a PEM file"), "{problems:?}");
        }
        // A pod without socketio does not read it.
        assert_eq!(problems(&[("CAULDRON_WEB_CA", "/absent")], false), Vec::<String>::new());
    }

    #[test]
    fn the_sites_url_is_an_origin() {
        for good in ["https://erp.test", " https://erp.test/\r", "http://erp.test:8080"] {
            assert_eq!(problems(&[("CAULDRON_SITE_URL", good)], false), Vec::<String>::new(), "{good}");
        }
        for bad in ["https://erp.test/app", "https://erp.test?x=1", "https://erp.test/#x"] {
            let problems = problems(&[("CAULDRON_SITE_URL", bad)], false);
            assert!(problems.len() == 1 && problems[0].contains("more than a scheme"), "{bad}: {problems:?}");
        }
    }
}
