//! Which requests a sequence of bytes contains by RFC 9112, read strictly: the requests that gunicorn may receive.
//!
//! What is ambiguous or invalid ends the sequence: nothing after it may be forwarded. Where the RFC lets a recipient
//! choose (empty lines before a request, a bare LF as the end of a line), the lenient choice is a request too.

/// A request that may be forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub method: String,
    /// In origin form.
    pub target: Vec<u8>,
    pub body: Vec<u8>,
}

/// Returns the requests up to the first that is invalid, incomplete, or followed by the end of the connection.
pub fn requests(bytes: &[u8]) -> Vec<Accepted> {
    let mut reader = Reader { rest: bytes };
    let mut found = Vec::new();
    while let Some((request, is_last)) = reader.request() {
        found.push(request);
        if is_last {
            break;
        }
    }
    found
}

struct Reader<'a> {
    rest: &'a [u8],
}

/// What the header fields say about the body and the connection.
#[derive(Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
}

impl<'a> Reader<'a> {
    fn request(&mut self) -> Option<(Accepted, bool)> {
        let mut line = self.line()?;
        while line.is_empty() {
            line = self.line()?;
        }
        let (method, target, minor) = request_line(line)?;
        let framing = self.framing()?;
        // RFC 9112, 6.1: HTTP/1.0 has no transfer codings.
        if framing.chunked && minor == 0 {
            return None;
        }
        let body = if framing.chunked { self.chunks()? } else { self.take(framing.length.unwrap_or(0))? };
        let is_both = framing.chunked && framing.length.is_some();
        let is_last = framing.close || is_both || (minor == 0 && !framing.keep_alive);
        Some((Accepted { method, target, body }, is_last))
    }

    /// A line without its end.
    fn line(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| *byte == b'\n')?;
        let line = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn take(&mut self, length: u64) -> Option<Vec<u8>> {
        let length = usize::try_from(length).ok()?;
        let part = self.rest.get(..length)?;
        self.rest = &self.rest[length..];
        Some(part.to_vec())
    }

    fn framing(&mut self) -> Option<Framing> {
        let mut framing = Framing::default();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some(framing);
            }
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            if !is_token(name) || !value.iter().all(|byte| is_field_byte(*byte)) {
                return None;
            }
            let value = String::from_utf8_lossy(value).trim_matches([' ', '\t']).to_ascii_lowercase();
            framing.add(&name.to_ascii_lowercase(), &value)?;
        }
    }

    fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = line.split(|byte| *byte == b';').next()?;
            let size = std::str::from_utf8(size).ok()?.trim_end_matches([' ', '\t']);
            if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return None;
            }
            let size = u64::from_str_radix(size, 16).ok()?;
            if size == 0 {
                break;
            }
            body.extend(self.take(size)?);
            if !self.line()?.is_empty() {
                return None;
            }
        }
        // Trailer fields.
        while !self.line()?.is_empty() {}
        Some(body)
    }
}

impl Framing {
    fn add(&mut self, name: &[u8], value: &str) -> Option<()> {
        match name {
            b"content-length" => {
                let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                let length = value.parse().ok().filter(|_| is_number)?;
                if self.length.replace(length).is_some_and(|other| other != length) {
                    return None;
                }
            }
            b"transfer-encoding" if value == "chunked" && !self.chunked => self.chunked = true,
            b"transfer-encoding" => return None,
            b"connection" => {
                let mut options = value.split(',').map(|option| option.trim_matches([' ', '\t']));
                self.close |= options.clone().any(|option| option == "close");
                self.keep_alive |= options.any(|option| option == "keep-alive");
            }
            _ => {}
        }
        Some(())
    }
}

fn request_line(line: &[u8]) -> Option<(String, Vec<u8>, u8)> {
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let minor = match version {
        b"HTTP/1.1" => 1,
        b"HTTP/1.0" => 0,
        _ => return None,
    };
    let is_visible = target.iter().all(|byte| *byte > b' ' && *byte != 0x7f);
    if words.next().is_some() || !is_token(method) || target.is_empty() || !is_visible {
        return None;
    }
    Some((String::from_utf8(method.to_vec()).ok()?, origin_form(target), minor))
}

/// Path and query; the fragment is no part of a request.
fn origin_form(target: &[u8]) -> Vec<u8> {
    let target = target.split(|byte| *byte == b'#').next().unwrap_or_default();
    let after_scheme = target.windows(3).position(|part| part == b"://").map(|at| &target[at + 3..]);
    let Some(after_scheme) = after_scheme.filter(|_| target[0].is_ascii_alphabetic()) else {
        return target.to_vec();
    };
    let path = after_scheme.iter().position(|byte| matches!(byte, b'/' | b'?'));
    let path = path.map_or(&b""[..], |at| &after_scheme[at..]);
    if path.starts_with(b"/") { path.to_vec() } else { [b"/", path].concat() }
}

fn is_token(name: &[u8]) -> bool {
    let is_token_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(is_token_byte)
}

/// A byte of a field's value: no control character but HTAB.
fn is_field_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[test]
fn the_model_reads_requests_as_the_rfc_does() {
    let targets = |text: &str| -> Vec<String> {
        let text = text.replace('\n', "\r\n");
        let found = requests(text.as_bytes()).into_iter();
        found.map(|request| String::from_utf8(request.target).expect("text")).collect()
    };
    let second = "GET /2 HTTP/1.1\nHost: a\n\n";
    for (first, expected) in [
        ("GET /1 HTTP/1.1\nHost: a\n\n", &["/1", "/2"][..]),
        ("GET http://a/1?b#c HTTP/1.1\n\n", &["/1?b", "/2"]),
        ("\n\nGET /1 HTTP/1.0\nConnection: Keep-Alive\n\n", &["/1", "/2"]),
        ("GET /1 HTTP/1.0\n\n", &["/1"]),
        ("GET /1 HTTP/1.1\nConnection: x, close\n\n", &["/1"]),
        ("POST /1 HTTP/1.1\nContent-Length: 3\n\nabc", &["/1", "/2"]),
        ("POST /1 HTTP/1.1\nTransfer-Encoding: Chunked\n\n3;x=y\nabc\n0\nT: 1\n\n", &["/1", "/2"]),
        ("POST /1 HTTP/1.1\nContent-Length: 9\nTransfer-Encoding: chunked\n\n0\n\n", &["/1"]),
        ("POST /1 HTTP/1.1\nTransfer-Encoding: gzip, chunked\n\n0\n\n", &[]),
        ("POST /1 HTTP/1.0\nTransfer-Encoding: chunked\n\n0\n\n", &[]),
        ("POST /1 HTTP/1.1\nContent-Length: 3\nContent-Length: 4\n\nabc", &[]),
        ("POST /1 HTTP/1.1\nContent-Length: +3\n\nabc", &[]),
        ("POST /1 HTTP/1.1\nX : y\n\n", &[]),
        ("POST /1 HTTP/1.1\nX: y\n z\n\n", &[]),
        ("GET  /1 HTTP/1.1\n\n", &[]),
        ("POST /1 HTTP/1.1\nContent-Length: 99\n\nabc", &[]),
    ] {
        assert_eq!(targets(&format!("{first}{second}")), expected, "{first}");
    }
}
