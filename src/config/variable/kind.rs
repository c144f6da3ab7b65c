//! The type of a setting: what it accepts, what 0 means, and whether it may hold a secret.
//!
//! The readers of numbers, times, sizes and words (`config::value`) take the type from here, so that table and reader
//! cannot disagree. `kind/tests.rs` holds every row against the configuration that is really read.

use std::fmt;

/// The type of a value, with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A text with a grammar of its own: what it is, and an example.
    Form(&'static str, &'static str),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// An absolute path.
    Path,
    /// A TCP port.
    Port,
    /// A whole number with its bounds. 0 within the bounds means none.
    Count(u32, u32),
    /// A time with its unit (`config::duration`).
    Duration(Zero),
    /// A time, or a number of seconds, as in the official images.
    Seconds(Zero),
    /// A size as nginx writes it: a number of bytes, or with k, m or g in powers of two. 0 is no limit.
    Size,
    /// A size as Kubernetes writes it, with its unit.
    Quantity,
    /// A password or a token.
    Secret,
    /// A secret with a grammar of its own.
    SecretForm(&'static str),
    /// A PostgreSQL URL with the login of an administrator.
    PostgresUrl,
    /// A Redis URL with its login.
    RedisUrl,
    /// A JSON list of apps, whose URLs may hold logins.
    AppList,
    /// The chart's list of apps as one text, whose URLs may hold logins.
    AppWords,
    /// Logins by host: JSON that names files. Somebody may write the token itself there by mistake.
    GitLogins,
    /// A repository as restic writes it, which may contain a login.
    Repository,
    /// Keys of common_site_config.json as a JSON object: each value may be a secret.
    ConfigKeys,
    /// A value that is not used. It is the URL of a Redis with its login, or its host.
    Ignored,
}

/// The meaning of 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zero {
    NoLimit,
    AtOnce,
    None,
    Refused,
}

/// Whether a value may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrecy {
    /// A value with a login is refused.
    Public,
    /// It may contain a login: no child inherits it, and it is shown only without the login.
    MayHoldLogin,
    /// It is never shown, and no child inherits it.
    Secret,
}

impl Kind {
    /// None if 0 has no meaning of its own.
    pub fn zero(self) -> Option<Zero> {
        match self {
            Self::Duration(zero) | Self::Seconds(zero) => Some(zero),
            Self::Size => Some(Zero::NoLimit),
            Self::Count(0, _) => Some(Zero::None),
            Self::Count(..) | Self::Port | Self::Quantity => Some(Zero::Refused),
            _ => None,
        }
    }

    pub fn secrecy(self) -> Secrecy {
        match self {
            Self::Secret | Self::SecretForm(..) | Self::PostgresUrl => Secrecy::Secret,
            Self::RedisUrl
            | Self::AppList
            | Self::AppWords
            | Self::GitLogins
            | Self::Repository
            | Self::ConfigKeys
            | Self::Ignored => Secrecy::MayHoldLogin,
            _ => Secrecy::Public,
        }
    }
}

const APP_LIST: &str = r#"[{"url":"https://host/crm.git","branch":"main"}]"#;
const CONFIG_KEYS: &str = r#"{"limits":{"users":5}}"#;
const POSTGRES_URL: &str = "postgres://user:password@host/postgres?sslmode=verify-full";
const APP_WORDS: &str = "crm:https://host/crm.git:main";

/// What a value may be, in words.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => write!(f, "any text"),
            Self::Form(what, example) => write!(f, "{what}: `{example}`"),
            Self::SecretForm(what) => write!(f, "{what}"),
            Self::OneOf(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                write!(f, "{}", words.join(", "))
            }
            Self::Path => write!(f, "absolute path"),
            Self::Port => write!(f, "port: 1 to 65535"),
            Self::Count(least, u32::MAX) => write!(f, "number from {least}"),
            Self::Count(least, most) => write!(f, "number: {least} to {most}"),
            Self::Duration(_) => write!(f, "duration: `10s`"),
            Self::Seconds(_) => write!(f, "duration, or seconds: `10s`, `10`"),
            Self::Size => write!(f, "size: `50m`, `512Mi`, bytes"),
            Self::Quantity => write!(f, "size: `512Mi`, `1G`"),
            Self::Secret => write!(f, "text without control characters"),
            Self::AppList => write!(f, "JSON: `{APP_LIST}`"),
            Self::AppWords => write!(f, "name:URL:branch, separated by commas: `{APP_WORDS}`"),
            Self::PostgresUrl => write!(f, "URL: `{POSTGRES_URL}`"),
            Self::RedisUrl => write!(f, "URL or host:port: `redis://redis:6379/0`"),
            Self::GitLogins => write!(f, "JSON: `{{\"host\":{{\"token_file\":\"/path\"}}}}`"),
            Self::Repository => write!(f, "absolute path, or restic's word: `s3:https://host/bucket/path`"),
            Self::ConfigKeys => write!(f, "JSON object: `{CONFIG_KEYS}`"),
            Self::Ignored => write!(f, "anything"),
        }
    }
}

impl fmt::Display for Zero {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLimit => "no limit",
            Self::AtOnce => "at once",
            Self::None => "none",
            Self::Refused => "refused",
        })
    }
}

#[cfg(test)]
mod tests;
