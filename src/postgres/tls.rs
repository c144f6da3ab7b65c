//! libpq's sslmode: when to request encryption, what to verify, when to connect without.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::database::{DatabaseTls, SslMode};
use crate::net::tls::{self, Files, Verify};
use crate::net::wire::Wire;
use crate::net::{ConnectError, Kind, Step, dial};

/// The request code 1234.5679 with its length, as libpq sends it.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// The hint if the server ends the handshake.
pub const CLIENT_CERTIFICATE_HINT: &str =
    "check DB_SSLCERT and DB_SSLKEY: the server may require a client certificate, or a different one";

/// The checks of a mode. `require` with a CA file verifies like verify-ca, for compatibility, as in libpq.
fn verify(config: &DatabaseTls) -> Verify {
    match config.mode {
        SslMode::Disable | SslMode::Prefer => Verify::Nothing,
        SslMode::Require if config.root_certificate.is_none() => Verify::Nothing,
        SslMode::Require | SslMode::VerifyCa => Verify::Chain,
        SslMode::VerifyFull => Verify::ChainAndName,
    }
}

/// The connector for these settings; None if the mode is `disable`.
pub fn connector(config: &DatabaseTls) -> Result<Option<MakeRustlsConnect>, ConnectError> {
    if config.mode == SslMode::Disable {
        return Ok(None);
    }
    let files = Files {
        roots: config.root_certificate.as_ref(),
        client: config.client.as_ref(),
        roots_variable: "DB_SSLROOTCERT",
        client_variables: ("DB_SSLCERT", "DB_SSLKEY"),
    };
    tls::connector(verify(config), &files).map(Some)
}

/// The result of the request to encrypt.
pub enum Secured {
    Wire(Wire),
    /// TLS failed, and the mode `prefer` allows a new connection without encryption.
    RetryUnencrypted(ConnectError),
}

/// Requests encryption and does the handshake.
pub async fn secure(
    mut socket: TcpStream,
    host: &str,
    mode: SslMode,
    connector: &MakeRustlsConnect,
) -> Result<Secured, ConnectError> {
    let lost = |error: &std::io::Error| {
        let cause = format!("`{host}` ended the connection during the TLS request: {}", dial::reason(error));
        ConnectError::new(Step::Tls, Kind::Lost, cause, "check the server's log")
    };
    socket.write_all(&SSL_REQUEST).await.map_err(|error| lost(&error))?;
    match socket.read_u8().await.map_err(|error| lost(&error))? {
        b'S' => {}
        b'N' if mode == SslMode::Prefer => return Ok(Secured::Wire(Wire::Tcp(socket))),
        b'N' => {
            let cause = format!("`{host}` does not support TLS, and DB_SSLMODE={} requires it", mode.name());
            let hint = "enable ssl in the server, or set DB_SSLMODE=prefer";
            return Err(ConnectError::new(Step::Tls, Kind::NoTls, cause, hint));
        }
        // An ErrorResponse: the postmaster could not fork.
        b'E' => {
            let cause = format!("`{host}` cannot accept another connection");
            let hint = "check the server's log: it is out of processes or memory";
            return Err(ConnectError::new(Step::Tls, Kind::Full, cause, hint));
        }
        _ => {
            let cause = format!("the server at `{host}` is not PostgreSQL");
            return Err(ConnectError::new(
                Step::Tls,
                Kind::OtherProtocol,
                cause,
                "check DB_HOST and DB_PORT",
            ));
        }
    }
    match tls::handshake(connector, host, socket).await {
        Ok(wire) => Ok(Secured::Wire(wire)),
        Err(error) => match tls::refusal(&error) {
            Some(refusal) => {
                let error = tls::explain(refusal, host, "DB_SSLROOTCERT", CLIENT_CERTIFICATE_HINT);
                if mode == SslMode::Prefer { Ok(Secured::RetryUnencrypted(error)) } else { Err(error) }
            }
            None => Err(lost(&error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modes_verify_as_libpq_does() {
        let with = |mode, root: Option<&str>| {
            verify(&DatabaseTls { mode, root_certificate: root.map(Into::into), client: None })
        };
        for (mode, bare, rooted) in [
            (SslMode::Prefer, Verify::Nothing, Verify::Nothing),
            (SslMode::Require, Verify::Nothing, Verify::Chain),
            (SslMode::VerifyCa, Verify::Chain, Verify::Chain),
            (SslMode::VerifyFull, Verify::ChainAndName, Verify::ChainAndName),
        ] {
            assert_eq!((with(mode, None), with(mode, Some("/ca"))), (bare, rooted), "{mode:?}");
        }
    }
}
