//! The messages at the beginning of a connection that a relay reads or changes. The rest of PostgreSQL's protocol passes.

/// SSLRequest and GSSENCRequest.
const ENCRYPTION: [u32; 2] = [80_877_103, 80_877_104];
const CANCEL: u32 = 80_877_102;
/// The major version of the protocol, in the upper half of its number.
const MAJOR: u32 = 3;
/// AuthenticationSASL: a list of mechanisms follows.
const SASL: u32 = 10;
/// The end of the name of a mechanism that is bound to the TLS connection between two programs.
const BOUND: &[u8] = b"-PLUS";

/// What a client asks for in its first message.
#[derive(Debug, PartialEq, Eq)]
pub enum Request<'a> {
    Encryption,
    Cancel,
    Session { user: &'a str, database: &'a str },
    Unknown,
}

impl<'a> Request<'a> {
    /// Reads a message with its length.
    pub fn of(message: &'a [u8]) -> Self {
        let Some(code) = number(message.get(4..)) else { return Self::Unknown };
        match code {
            code if ENCRYPTION.contains(&code) => Self::Encryption,
            CANCEL => Self::Cancel,
            code if code >> 16 == MAJOR => Self::session(&message[8..]).unwrap_or(Self::Unknown),
            _ => Self::Unknown,
        }
    }

    /// Reads names and values, each ended by a zero. As in the server, the last of several values counts, and the database
    /// is named like the user by default.
    fn session(text: &'a [u8]) -> Option<Self> {
        let mut words = text.split(|byte| *byte == 0).map(std::str::from_utf8);
        let (mut user, mut database) = (None, None);
        while let Some(Ok(name)) = words.next().filter(|name| *name != Ok("")) {
            let value = words.next()?.ok()?;
            match name {
                "user" => user = Some(value),
                "database" => database = Some(value),
                _ => {}
            }
        }
        let user = user?;
        Some(Self::Session { user, database: database.filter(|name| !name.is_empty()).unwrap_or(user) })
    }
}

/// Takes the mechanisms that are bound to TLS out of an offer: TLS ends at the relay, and libpq refuses such an offer on
/// a connection without it. Any other body of an authentication message stays as it is.
pub fn without_channel_binding(body: Vec<u8>) -> Vec<u8> {
    if number(Some(&body)) != Some(SASL) {
        return body;
    }
    let mut kept = SASL.to_be_bytes().to_vec();
    let mechanisms =
        body[4..].split(|byte| *byte == 0).filter(|name| !name.is_empty() && !name.ends_with(BOUND));
    for name in mechanisms {
        kept.extend_from_slice(name);
        kept.push(0);
    }
    kept.push(0);
    kept
}

/// An error that ends the connection.
pub fn error_response(code: &str, text: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{code}\0M{text}\0\0");
    let length = u32::try_from(fields.len() + 4).unwrap_or(u32::MAX);
    [b"E", &length.to_be_bytes()[..], fields.as_bytes()].concat()
}

/// The number at the beginning.
fn number(bytes: Option<&[u8]>) -> Option<u32> {
    Some(u32::from_be_bytes(bytes?.get(..4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(code: u32, text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len() + 8).unwrap();
        [&length.to_be_bytes()[..], &code.to_be_bytes(), text.as_bytes()].concat()
    }

    #[test]
    fn a_session_names_its_role_and_its_database() {
        let session = |text: &str| match Request::of(&first(3 << 16, text)) {
            Request::Session { user, database } => Some((user.to_string(), database.to_string())),
            _ => None,
        };
        let both = |user: &str, database: &str| Some((user.into(), database.into()));
        assert_eq!(session("user\0a\0database\0b\0\0"), both("a", "b"));
        assert_eq!(session("application_name\0user\0user\0a\0\0"), both("a", "a"));
        assert_eq!(session("user\0a\0database\0\0\0"), both("a", "a"));
        assert_eq!(session("database\0a\0user\0a\0database\0b\0\0"), both("a", "b"));
        for text in ["", "\0", "database\0b\0\0", "user", "user\0\u{fffd}"] {
            assert!(session(text).is_none_or(|(user, _)| user == "\u{fffd}"), "{text:?}");
        }
    }

    #[test]
    fn other_requests_are_told_apart() {
        assert_eq!(Request::of(&first(80_877_103, "")), Request::Encryption);
        assert_eq!(Request::of(&first(80_877_102, "12345678")), Request::Cancel);
        for message in [first(2 << 16, "user\0a\0\0"), first(1, ""), vec![0, 0, 0, 4], Vec::new()] {
            assert_eq!(Request::of(&message), Request::Unknown);
        }
    }

    #[test]
    fn an_offer_loses_what_is_bound_to_tls() {
        let offer = |names: &[u8]| [&SASL.to_be_bytes()[..], names].concat();
        let with = offer(b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
        let without = offer(b"SCRAM-SHA-256\0\0");
        assert_eq!(without_channel_binding(with), without);
        assert_eq!(without_channel_binding(without.clone()), without);
        // AuthenticationOk, and a request for an MD5 digest with its salt.
        for other in [vec![0; 4], vec![0, 0, 0, 5, 1, 2, 3, 4]] {
            assert_eq!(without_channel_binding(other.clone()), other);
        }
    }
}
