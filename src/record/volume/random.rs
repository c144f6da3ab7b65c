//! Random ids and passwords.

use rand::distr::{Alphanumeric, SampleString};
use secrecy::{ExposeSecret, SecretString};

/// A random id of 20 characters, enough to be unique.
pub fn random_id() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 20).to_ascii_lowercase()
}

/// A random password without special characters, in case a program puts it into a URL.
pub fn random_password() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 32)
}

/// True if both secrets are equal. Not constant-time.
pub fn same_secret(a: &SecretString, b: &SecretString) -> bool {
    a.expose_secret() == b.expose_secret()
}
