//! The id that an operator gives the bench: the first part of the names of its queues
//! (docs/frappe-jobs.md#bench-id).

use super::reader::Reader;
use super::value::read_parsed;

const MAX_LENGTH: usize = 100;
const HINT: &str = "write 1 to 100 letters, digits, -, _ and ., such as production.erp";

/// The id of `bench_id` in common_site_config.json, as the operator wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedBenchId {
    /// CAULDRON_BENCH_ID: every pod uses this id.
    pub always: Option<String>,
    /// CAULDRON_BENCH_ID_IF_NEW: the id of an installation that is created, instead of a random one.
    pub if_new: Option<String>,
}

pub fn read(reader: &mut Reader<'_>) -> WantedBenchId {
    WantedBenchId {
        always: read_parsed(reader, "CAULDRON_BENCH_ID", parse, HINT),
        if_new: read_parsed(reader, "CAULDRON_BENCH_ID_IF_NEW", parse, HINT),
    }
}

fn parse(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !plain || !(1..=MAX_LENGTH).contains(&text.len()) {
        return Err(format!("`{text}` cannot be part of a queue's name"));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read_from(variables: &[(&'static str, &'static str)]) -> (WantedBenchId, Vec<String>) {
        let (flags, environment) = (BTreeMap::new(), variables.iter().copied().collect::<BTreeMap<_, _>>());
        let mut reader = Reader::new(&flags, &environment);
        (read(&mut reader), reader.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn ids_are_parts_of_redis_keys() {
        assert_eq!(read_from(&[]), (WantedBenchId::default(), Vec::new()));
        let given = [("CAULDRON_BENCH_ID", " a-b_C.9 "), ("CAULDRON_BENCH_ID_IF_NEW", "new")];
        let wanted = WantedBenchId { always: Some("a-b_C.9".into()), if_new: Some("new".into()) };
        assert_eq!(read_from(&given), (wanted, Vec::new()));
        assert_eq!(parse(&"x".repeat(100)), Ok("x".repeat(100)));
        for bad in ["", "a:b", "a b", "a/b", "ä", &"x".repeat(101)] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let (_, problems) = read_from(&[("CAULDRON_BENCH_ID", "a:b")]);
        assert!(problems[0].contains("`a:b` cannot be part of a queue's name"), "{problems:?}");
    }
}
