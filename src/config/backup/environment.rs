//! The variables of restic and of its storage servers: they reach restic, and no other child.

use std::path::Path;

use secrecy::SecretString;

use super::{PASSWORD, REPOSITORY};
use crate::config::reader::Reader;
use crate::config::source::Source;
use crate::config::variable::Variable;
use crate::sys::bounded_file;

/// Variables that contain a secret, or a part of a login. Each may also be given as `NAME_FILE`.
const CREDENTIALS: [&str; 16] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_ACCOUNT_NAME",
    "AZURE_ACCOUNT_KEY",
    "AZURE_ACCOUNT_SAS",
    "B2_ACCOUNT_ID",
    "B2_ACCOUNT_KEY",
    "OS_APPLICATION_CREDENTIAL_ID",
    "OS_APPLICATION_CREDENTIAL_SECRET",
    "OS_AUTH_TOKEN",
    "OS_PASSWORD",
    "RESTIC_REST_PASSWORD",
    "RESTIC_REST_USERNAME",
    "ST_KEY",
    "ST_USER",
];

/// Variables that would name another repository or password than our settings.
const REPLACED: [&str; 5] = [
    "RESTIC_PASSWORD",
    "RESTIC_PASSWORD_COMMAND",
    "RESTIC_PASSWORD_FILE",
    "RESTIC_REPOSITORY",
    "RESTIC_REPOSITORY_FILE",
];

/// The variables that only restic gets where a repository is configured: a role's children do not inherit them.
pub fn names_of_credentials() -> impl Iterator<Item = String> {
    let credentials = CREDENTIALS.iter().flat_map(|name| [(*name).to_string(), Variable::file_name(name)]);
    credentials.chain(REPLACED.iter().map(ToString::to_string))
}

/// The variables that a child `backup` needs and that are removed from our own environment.
pub(super) fn for_child(reader: &Reader<'_>) -> Vec<(String, SecretString)> {
    let ours =
        [REPOSITORY, PASSWORD].iter().flat_map(|name| [(*name).to_string(), Variable::file_name(name)]);
    let names = ours.chain(names_of_credentials());
    names.filter_map(|name| reader.environment(&name).map(|value| (name, value.into()))).collect()
}

/// Reads the credentials of the environment and of the files that `NAME_FILE` names.
pub(super) fn credentials(reader: &mut Reader<'_>) -> Vec<(String, SecretString)> {
    let mut found = Vec::new();
    for name in CREDENTIALS {
        let file_name = Variable::file_name(name);
        match (reader.environment(name), reader.environment(&file_name)) {
            (Some(_), Some(_)) => {
                let cause = format!("both {name} and {file_name} are set");
                let hint = format!("unset one of them; {file_name} is safer");
                reader.problem(name, Some(Source::Environment(file_name)), cause, hint);
            }
            (Some(value), None) => accept(reader, name, Source::Environment(name.into()), &value, &mut found),
            (None, Some(path)) => match bounded_file::read_text_or_pipe(Path::new(path.trim())) {
                Ok(text) => accept(reader, name, Source::Environment(file_name), &text, &mut found),
                Err(error) => {
                    let cause = format!("cannot read the file: {error}");
                    let hint = "mount the secret, make it readable for this user, and give its absolute path";
                    reader.problem(name, Some(Source::Environment(file_name)), cause, hint);
                }
            },
            (None, None) => {}
        }
    }
    found
}

/// Adds a credential without the line end at its end.
fn accept(
    reader: &mut Reader<'_>,
    name: &'static str,
    source: Source,
    text: &str,
    found: &mut Vec<(String, SecretString)>,
) {
    let value = text.trim_end();
    if value.is_empty() {
        reader.problem(
            name,
            Some(source),
            "it is empty or only blanks",
            "write the value into it, or unset it",
        );
    } else if value.contains(char::is_control) {
        let cause = "it contains a control character (a line end, a tab)";
        reader.problem(name, Some(source), cause, "write the secret without it");
    } else {
        found.push((name.to_string(), value.into()));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn credentials_come_from_the_environment_or_a_file_and_never_from_both() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "canary\n").unwrap();
        let path = file.path().display().to_string();
        let flags = BTreeMap::new();
        let environment = BTreeMap::from([
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY_FILE", path.as_str()),
            ("B2_ACCOUNT_KEY", "canary"),
            ("B2_ACCOUNT_KEY_FILE", "/canary"),
            ("ST_KEY_FILE", "/nowhere/canary"),
            ("OS_PASSWORD", "canary\ncanary"),
        ]);
        let mut reader = Reader::new(&flags, &environment);
        let found = credentials(&mut reader);
        let shown: Vec<_> =
            found.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
        assert_eq!(shown, [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "canary")]);
        let problems: Vec<String> = reader.problems.iter().map(ToString::to_string).collect();
        assert!(problems.len() == 3 && !problems.join("").contains("canary"), "{problems:?}");
    }
}
