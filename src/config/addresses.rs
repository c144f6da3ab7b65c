//! The addresses at which users and the other roles reach this installation.

use super::bench_files::BenchFiles;
use super::reader::Reader;
use super::value::{PORT_HINT, parse_origin, parse_port, parse_site_url, read_parsed, read_path};

/// Frappe's default port of the socketio service.
const SOCKETIO_PORT: u16 = 9000;

pub struct Addresses {
    pub site_url: Option<String>,
    pub web_url: Option<String>,
    pub socketio_port: Option<u16>,
    pub socketio_listen_port: u16,
}

pub fn read(reader: &mut Reader<'_>, files: &BenchFiles) -> Addresses {
    let site_url = read_parsed(reader, "CAULDRON_SITE_URL", parse_site_url, "write https://erp.example.com");
    let web_url = read_parsed(reader, "CAULDRON_WEB_URL", parse_origin, "write http://web:8000");
    // Only node reads it; this checks the path.
    let _web_ca = read_path(reader, "CAULDRON_WEB_CA");
    let given = reader.given_or("SOCKETIO_PORT", None, None);
    let socketio_port = reader.parsed("SOCKETIO_PORT", given, parse_port, PORT_HINT);
    let in_file = files.common("socketio_port").and_then(|given| given.value.parse().ok());
    let socketio_listen_port = socketio_port.or(in_file).unwrap_or(SOCKETIO_PORT);
    Addresses { site_url, web_url, socketio_port, socketio_listen_port }
}
