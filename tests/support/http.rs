//! The least HTTP that a probe needs, so that a test sees what went over the wire.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// `GET path` with a Host header, on 127.0.0.1; `None` if nothing answers.
pub fn get(port: u16, host: &str, path: &str) -> Option<Response> {
    request(port, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
}

/// A form by POST.
pub fn post(port: u16, host: &str, path: &str, form: &[(&str, &str)]) -> Option<Response> {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}",
        body.len()
    );
    request(port, &format!("{head}\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n{body}"))
}

/// The status of a GET, 0 if nothing answers.
pub fn status(port: u16, host: &str, path: &str) -> u16 {
    get(port, host, path).map_or(0, |response| response.status)
}

fn request(port: u16, text: &str) -> Option<Response> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    stream.write_all(text.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let answer = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some(Response { status, head: head.to_owned(), body: body.to_owned() })
}
