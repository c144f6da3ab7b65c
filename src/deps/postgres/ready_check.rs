//! Checks that the server accepts logins, as pg_isready does. Any answer but "not now" means yes.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::net::dial::{Keepalive, reason, within};
use crate::net::wire::Wire;
use crate::net::{Class, ConnectError, Kind, Step};
use crate::postgres::Server;
use crate::postgres::error::{Answer, classify};

/// The limit for the first answer. PostgreSQL's is shorter; another service's may be longer.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// Starts a session and disconnects at the first answer.
pub async fn accepts_logins(server: &Server, user: &str, timeout: Duration) -> Result<(), ConnectError> {
    let deadline = Instant::now() + timeout;
    let mut wire = server.wire(Keepalive::SHORT, deadline).await?;
    let answer = within(deadline, Step::Login, &server.target(), async {
        first_answer(&mut wire, user).await.map_err(|error| {
            let cause = format!("{} ended the connection: {}", server.target(), reason(&error));
            ConnectError::new(Step::Login, Kind::Lost, cause, "check the server's log")
        })
    })
    .await?;
    match answer.0 {
        // A request for a password, or a successful login.
        b'R' => Ok(()),
        b'E' => {
            let (code, message) = (field(&answer.1, b'C'), field(&answer.1, b'M'));
            let error = classify(Answer { code: &code, message: &message }, user, user);
            // The server rejected our made-up login: it is up.
            let up = error.class() != Class::NotYet
                || matches!(error.kind, Kind::NoSuchRole | Kind::NoSuchDatabase);
            if up { Ok(()) } else { Err(error) }
        }
        _ => {
            let cause = format!("the server at {} is not PostgreSQL", server.target());
            Err(ConnectError::new(Step::Login, Kind::OtherProtocol, cause, "check DB_HOST and DB_PORT"))
        }
    }
}

async fn first_answer(wire: &mut Wire, user: &str) -> io::Result<(u8, Vec<u8>)> {
    let mut body = vec![0, 3, 0, 0];
    for text in ["user", user, "database", "postgres", ""] {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    let length = u32::try_from(body.len() + 4).map_err(io::Error::other)?;
    let mut packet = length.to_be_bytes().to_vec();
    packet.append(&mut body);
    wire.write_all(&packet).await?;
    let tag = wire.read_u8().await?;
    let length = wire.read_u32().await? as usize;
    let mut rest = vec![0; length.saturating_sub(4).min(MAX_ANSWER_BYTES)];
    if tag == b'E' {
        wire.read_exact(&mut rest).await?;
    }
    Ok((tag, rest))
}

/// A field of an ErrorResponse: a letter, its text, a zero byte.
fn field(body: &[u8], letter: u8) -> String {
    body.split(|byte| *byte == 0)
        .find(|part| part.first() == Some(&letter))
        .map(|part| String::from_utf8_lossy(&part[1..]).into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_code_and_message() {
        let body = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0Fpostmaster.c\0\0";
        assert_eq!(field(body, b'C'), "57P03");
        assert_eq!(field(body, b'M'), "the database system is starting up");
        assert_eq!(field(body, b'X'), "");
    }
}
