//! The errors of a connection, and whether waiting can help.

use std::fmt;

use crate::outcome::refusal::Refusal;
use crate::outcome::{self, Fault};

/// The steps of an attempt, in this order.
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

/// The chance that another attempt succeeds without a change by an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It may succeed: servers start late and restart; operators create roles and databases late.
    NotYet,
    /// It may succeed within seconds, if a secret or a rule is being changed at this moment.
    NeverAfterGrace,
    /// It cannot succeed until something is changed.
    Never,
}

/// The kinds of errors that callers distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Unresolved,
    /// Refused, no route, no such socket.
    Unreachable,
    /// No answer in time, at any step.
    Silent,
    /// The connection ended before the step did.
    Lost,
    /// The server is starting up, shutting down, recovering or loading.
    NotServing,
    /// The server has no connection or memory left.
    Full,
    /// A replica, or a server that takes no writes for another reason.
    Standby,
    NoSuchRole,
    NoSuchDatabase,
    WrongPassword,
    PasswordMissing,
    /// The server's rules (pg_hba.conf, protected mode) reject this client.
    NotAdmitted,
    /// The login is valid and lacks a right.
    NoRight,
    /// The server does not encrypt, and encryption is required.
    NoTls,
    /// A certificate was rejected, by either side.
    Certificate,
    /// Our certificate or key file cannot be used.
    CertificateFile,
    /// The port belongs to another service.
    OtherProtocol,
    /// The server rejects a setting of the connection.
    Refused,
    /// Any other error of the server.
    Other,
}

impl Kind {
    /// The name of the refusal, if waiting does not help.
    pub fn refusal(self) -> Option<Refusal> {
        Some(match self {
            Self::Unresolved
            | Self::Unreachable
            | Self::Silent
            | Self::Lost
            | Self::NotServing
            | Self::Full
            | Self::Other => return None,
            Self::Standby => Refusal::ServerReadOnly,
            Self::NoSuchRole | Self::WrongPassword | Self::PasswordMissing => Refusal::LoginRefused,
            Self::NoSuchDatabase => Refusal::DatabaseMissing,
            Self::NotAdmitted => Refusal::ClientNotAdmitted,
            Self::NoRight => Refusal::PrivilegeMissing,
            Self::NoTls => Refusal::TlsUnavailable,
            Self::Certificate | Self::CertificateFile => Refusal::CertificateRejected,
            Self::OtherProtocol => Refusal::OtherService,
            Self::Refused => Refusal::SettingRejected,
        })
    }

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

    /// The exit code of a program that ends with this error.
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

/// An attempt that failed. Its texts contain no secret.
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
        Self { refusal: error.kind.refusal(), ..Self::new(error.kind.exit_code(), error.cause, error.hint) }
    }
}
