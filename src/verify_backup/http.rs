//! One request to a web server on a unix socket.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// More than any page of Frappe.
const MAX_ANSWER_BYTES: u64 = 16 * 1024 * 1024;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// The value of the cookie `sid`, if the answer sets one.
    pub sid: Option<String>,
    pub body: String,
}

/// Sends a request and reads the answer to its end.
///
/// # Errors
/// The cause, in words.
pub async fn send(socket: &Path, request: &str, limit: Duration) -> Result<Answer, String> {
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(limit, exchange).await;
    let answer = answer.map_err(|_| format!("no answer within {} s", limit.as_secs()))?;
    let answer = answer.map_err(|error| error.to_string())?;
    parse(&String::from_utf8_lossy(&answer)).ok_or_else(|| "an answer that is not HTTP".into())
}

/// A request of HTTP/1.0, whose answer ends with the connection.
pub fn request(method: &str, path: &str, site: &str, sid: Option<&str>, form: &str) -> String {
    let cookie = sid.map(|sid| format!("Cookie: sid={sid}\r\n")).unwrap_or_default();
    let length = form.len();
    format!(
        "{method} {path} HTTP/1.0\r\nHost: {site}\r\nX-Frappe-Site-Name: {site}\r\nAccept: */*\r\n{cookie}\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
    )
}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let sid = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let value = value.trim().strip_prefix("sid=").filter(|_| name.eq_ignore_ascii_case("set-cookie"))?;
        value.split(';').next().map(str::to_string)
    });
    Some(Answer { status, sid, body: body.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_cookie_and_body_are_read() {
        let text = "HTTP/1.1 200 OK\r\nServer: x\r\nset-cookie: sid=abc; HttpOnly\r\n\r\n{\"a\": 1}\r\n\r\nb";
        let answer = parse(text).unwrap();
        assert_eq!((answer.status, answer.sid.as_deref()), (200, Some("abc")));
        assert_eq!(answer.body, "{\"a\": 1}\r\n\r\nb");
        assert_eq!(parse("HTTP/1.0 503 No\r\n\r\n").unwrap().status, 503);
        assert_eq!(parse("hello"), None);
    }
}
