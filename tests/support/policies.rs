//! The policies of docs/backups.md#rights as they are printed there: the storage servers of the tests enforce them.

use serde_json::{Map, Value};

use super::s3::User;

const PAGE: &str = include_str!("../../docs/backups.md");
const FENCE: &str = "```json\n";

/// The policy of each user by its name.
pub fn by_user() -> Value {
    let blocks = section("\n## Rights\n").split(FENCE).skip(1);
    let texts: Vec<&str> = blocks.map(|block| block.split("```").next().expect("a block")).collect();
    assert_eq!(texts.len(), User::ALL.len(), "the page has a policy for each user");
    let policies = User::ALL.iter().zip(texts).map(|(user, text)| {
        let policy: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        (user.name().to_owned(), policy)
    });
    Value::Object(policies.collect::<Map<_, _>>())
}

/// The commands of a section of the page: its blocks of shell.
pub fn commands(heading: &str) -> Vec<&'static str> {
    let blocks = section(heading).split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().expect("a block")).collect()
}

/// The text from a heading to the next one.
fn section(heading: &str) -> &'static str {
    let (_, text) = PAGE.split_once(heading).unwrap_or_else(|| panic!("no heading {heading:?}"));
    text.split("\n#").next().unwrap_or(text)
}
