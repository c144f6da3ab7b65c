//! Takes known secrets out of text that leaves this process.

use super::redis_logins;

/// Known secret values. They replace themselves by `***` in any text.
#[derive(Clone, Default)]
pub struct Redaction(Vec<String>);

/// A shorter value occurs in ordinary text by chance; replacing it would destroy the text and hide nothing.
const MIN_CHARACTERS: usize = 3;
/// The same for the log of a child: `frappe` and `admin` are common as passwords and in lines.
const MIN_LOG_CHARACTERS: usize = 8;

impl Redaction {
    /// The secrets that are taken out of the output of a child.
    pub fn for_logs(secrets: impl IntoIterator<Item = String>) -> Self {
        Self::of(secrets.into_iter().filter(|value| value.chars().count() >= MIN_LOG_CHARACTERS))
    }

    /// Longer values come first: one secret may be part of another.
    pub fn of(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut values: Vec<String> = secrets
            .into_iter()
            .filter(|value| value.chars().count() >= MIN_CHARACTERS)
            .flat_map(spellings)
            .collect();
        values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup();
        Self(values)
    }

    /// Replaces every known secret.
    pub fn apply(&self, text: &str) -> String {
        let mut text = text.to_string();
        for secret in &self.0 {
            if text.contains(secret) {
                text = text.replace(secret, "***");
            }
        }
        text
    }

    /// Replaces every known secret and every login of a Redis URL in the output of a child. Other bytes stay.
    pub fn apply_to_output(&self, text: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(text.len());
        for chunk in text.utf8_chunks() {
            bytes.extend(self.apply(&redis_logins::hide(chunk.valid())).into_bytes());
            bytes.extend(chunk.invalid());
        }
        bytes
    }
}

/// The value as it is, inside a JSON string, and inside a URL.
fn spellings(value: String) -> Vec<String> {
    let quoted = serde_json::to_string(&value).unwrap_or_default();
    let in_json = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_string();
    let in_url =
        percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC).to_string();
    vec![value, in_json, in_url]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_secret_goes_and_the_longest_first() {
        let redaction = Redaction::of(["canary".into(), "canary\"#1".into(), "ab".into()]);
        let text = r##"canary"#1, {"x":"canary\"#1"}, redis://:canary%22%231@h, canary, ab"##;
        assert_eq!(redaction.apply(text), r#"***, {"x":"***"}, redis://:***@h, ***, ab"#);
    }

    #[test]
    fn the_output_of_a_child_keeps_its_bytes_and_its_words() {
        let redaction = Redaction::for_logs(["canary-1".into(), "frappe".into()]);
        let text = b"apps/frappe \xff canary-1\xff redis://:other@h:1 \xc3\xa4";
        assert_eq!(redaction.apply_to_output(text), b"apps/frappe \xff ***\xff redis://***@h:1 \xc3\xa4");
    }
}
