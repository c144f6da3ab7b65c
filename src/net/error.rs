//! What can go wrong on the way to a server, and whether waiting can mend it.

use std::fmt;

use crate::outcome::{self, Fault};

/// How far an attempt came, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Dns,
    Tcp,
    Tls,
    Login,
    Database,
    Version,
}

impl Step {
    pub fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Login => "login",
            Self::Database => "database",
            Self::Version => "version",
        }
    }
}

/// Whether another attempt can succeed by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Servers start late and restart; operators create roles and databases late.
    NotYet,
    /// Wrong now, and perhaps only because a secret or a rule is being changed at this moment.
    NeverAfterGrace,
    /// Somebody must change something.
    Never,
}

/// What went wrong, as far as callers act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Unresolved,
    /// Refused, no route, no such socket.
    Unreachable,
    /// No answer in time, at whatever step.
    Silent,
    /// The connection ended before the step did.
    Lost,
    /// Starting up, shutting down, recovering, loading.
    NotServing,
    /// No connection or memory left.
    Full,
    /// A replica where a writable primary is needed.
    Standby,
    NoSuchRole,
    NoSuchDatabase,
    WrongPassword,
    PasswordMissing,
    /// The server's own rules (pg_hba.conf, protected mode) turn this client away.
    NotAdmitted,
    /// The login is good and lacks a right.
    NoRight,
    /// The server does not encrypt, and encryption is required.
    NoTls,
    /// A certificate was refused, by either side.
    Certificate,
    /// A certificate or key file of ours cannot be used.
    CertificateFile,
    /// Something else answers on that port.
    OtherProtocol,
    /// The server refuses a setting of the connection.
    Refused,
    /// Any other error of the server.
    Other,
}

impl Kind {
    pub fn class(self) -> Class {
        match self {
            Self::Unresolved
            | Self::Unreachable
            | Self::Silent
            | Self::Lost
            | Self::NotServing
            | Self::Full
            | Self::Standby
            | Self::NoSuchRole
            | Self::NoSuchDatabase
            | Self::Other => Class::NotYet,
            Self::WrongPassword | Self::NotAdmitted | Self::OtherProtocol => Class::NeverAfterGrace,
            Self::PasswordMissing
            | Self::NoRight
            | Self::NoTls
            | Self::Certificate
            | Self::CertificateFile
            | Self::Refused => Class::Never,
        }
    }

    /// The exit code of a program that ends with this.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::WrongPassword | Self::PasswordMissing | Self::NotAdmitted | Self::NoRight => {
                outcome::PERMISSION
            }
            Self::NoTls | Self::Certificate | Self::CertificateFile | Self::OtherProtocol | Self::Refused => {
                outcome::CONFIGURATION
            }
            _ => outcome::UNAVAILABLE,
        }
    }
}

/// An attempt that failed. No text in it holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectError {
    pub step: Step,
    pub kind: Kind,
    pub cause: String,
    pub hint: String,
}

impl ConnectError {
    pub fn new(step: Step, kind: Kind, cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { step, kind, cause: cause.into(), hint: hint.into() }
    }

    pub fn class(&self) -> Class {
        self.kind.class()
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step.name(), self.cause)
    }
}

impl std::error::Error for ConnectError {}

impl From<ConnectError> for Fault {
    fn from(error: ConnectError) -> Self {
        Self::new(error.kind.exit_code(), error.cause, error.hint)
    }
}
