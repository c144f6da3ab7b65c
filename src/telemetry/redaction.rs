//! Takes known secrets out of text that leaves this process.

/// Known secret values. They replace themselves by `***` in any text.
#[derive(Default)]
pub struct Redaction(Vec<String>);

/// A shorter value occurs in ordinary text by chance; replacing it would destroy the text and hide nothing.
const MIN_CHARACTERS: usize = 3;

impl Redaction {
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
        self.0.iter().fold(text.to_string(), |text, secret| text.replace(secret, "***"))
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
}
