//! A minimal HTTP client, so that a test sees the exact bytes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: String,
    /// The body as bytes, which may not be text.
    pub bytes: Vec<u8>,
}

impl Response {
    /// A header's first value; empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut found = lines.filter(|(given, _)| given.eq_ignore_ascii_case(name));
        found.next().map_or("", |(_, value)| value.trim())
    }
}

/// Sends `GET path` with a Host header to 127.0.0.1; None without an answer.
pub fn get(port: u16, host: &str, path: &str) -> Option<Response> {
    request(port, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
}

/// Sends `GET path` with additional headers, one line each.
pub fn get_with(port: u16, host: &str, path: &str, headers: &[&str]) -> Option<Response> {
    let more: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    request(port, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n"))
}

/// Sends a form by POST.
pub fn post(port: u16, host: &str, path: &str, form: &[(&str, &str)]) -> Option<Response> {
    request(port, &form_request(host, path, form))
}

fn form_request(host: &str, path: &str, form: &[(&str, &str)]) -> String {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}",
        body.len()
    );
    format!("{head}\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n{body}")
}

/// The status of a GET; 0 without an answer.
pub fn status(port: u16, host: &str, path: &str) -> u16 {
    get(port, host, path).map_or(0, |response| response.status)
}

/// Sends `GET path` to any server; None without a complete answer by the deadline.
pub fn get_at(address: SocketAddr, host: &str, path: &str, deadline: Duration) -> Option<Response> {
    request_at(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        deadline,
    )
}

/// Sends a form by POST to any server; None without a complete answer by the deadline.
pub fn post_at(
    address: SocketAddr,
    host: &str,
    path: &str,
    form: &[(&str, &str)],
    deadline: Duration,
) -> Option<Response> {
    request_at(address, &form_request(host, path, form), deadline)
}

fn request_at(address: SocketAddr, text: &str, deadline: Duration) -> Option<Response> {
    let mut stream = TcpStream::connect_timeout(&address, deadline).ok()?;
    stream.set_read_timeout(Some(deadline)).ok()?;
    stream.set_write_timeout(Some(deadline)).ok()?;
    stream.write_all(text.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    parse(&answer)
}

/// Sends bytes, and returns the answer up to the end of the connection.
pub fn exchange(port: u16, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    stream.write_all(bytes).ok()?;
    let mut answer = Vec::new();
    // After a reset the answer before it still counts.
    let _ = stream.read_to_end(&mut answer);
    Some(answer)
}

/// Sends one request, whose answer ends with the connection.
pub fn request(port: u16, text: &str) -> Option<Response> {
    parse(&exchange(port, text.as_bytes())?)
}

fn parse(answer: &[u8]) -> Option<Response> {
    let at = answer.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..at]).into_owned();
    let mut bytes = answer[at + 4..].to_vec();
    if head.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked") {
        bytes = dechunk(&bytes)?;
    }
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some(Response { status, head, body: String::from_utf8_lossy(&bytes).into_owned(), bytes })
}

fn dechunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let at = rest.windows(2).position(|part| part == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..at]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(rest.get(at + 2..at + 2 + length)?);
        rest = rest.get(at + 4 + length..)?;
    }
}
