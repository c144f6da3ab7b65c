//! The secrets of a site that is created or adopted.

use secrecy::SecretString;

use super::reader::Reader;
use super::value::{read_parsed, read_secret};

pub struct SiteSecrets {
    pub admin_password: Option<SecretString>,
    pub site_db_password: Option<SecretString>,
    pub encryption_key: Option<SecretString>,
}

pub fn read(reader: &mut Reader<'_>) -> SiteSecrets {
    SiteSecrets {
        admin_password: read_secret(reader, "ADMIN_PASSWORD"),
        site_db_password: read_secret(reader, "SITE_DB_PASSWORD"),
        encryption_key: read_encryption_key(reader),
    }
}

/// A Fernet key: 32 bytes in URL-safe base64 (44 characters). Frappe fails on any other at the first use.
fn read_encryption_key(reader: &mut Reader<'_>) -> Option<SecretString> {
    let check = |text: &str| {
        let alphabet = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let is_valid = text.len() == 44 && text.ends_with('=') && text[..43].bytes().all(alphabet);
        if is_valid {
            Ok(SecretString::from(text))
        } else {
            Err("not 32 bytes in URL-safe base64".to_string())
        }
    };
    read_parsed(
        reader,
        "ENCRYPTION_KEY",
        check,
        "copy it from the old site_config.json, or omit it to create a new key",
    )
}
