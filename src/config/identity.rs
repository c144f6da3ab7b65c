//! The identity of this installation, and the ids of the refusals that an operator overrides.

use super::bench_id::{self, WantedBenchId};
use super::reader::Reader;

pub struct Identity {
    pub instance: Option<String>,
    pub bench_id: WantedBenchId,
    pub adopt: Option<String>,
    pub clone: Option<String>,
    pub allow_downgrade: Option<String>,
}

pub fn read(reader: &mut Reader<'_>) -> Identity {
    let instance = read_instance(reader);
    let bench_id = bench_id::read(reader);
    let mut as_given = |name| reader.given(name).map(|given| given.value);
    Identity {
        instance,
        bench_id,
        adopt: as_given("CAULDRON_ADOPT"),
        clone: as_given("CAULDRON_CLONE"),
        allow_downgrade: as_given("CAULDRON_ALLOW_DOWNGRADE"),
    }
}

/// The value is recorded and appears in messages, so it must not contain a login.
fn read_instance(reader: &mut Reader<'_>) -> Option<String> {
    let given = reader.given("CAULDRON_INSTANCE")?;
    let parse = |text: &str| match text.rsplit_once('@') {
        Some((before, _)) if before.contains(':') => Err("it contains a login".into()),
        _ => Ok(()),
    };
    let value = given.value.clone();
    reader.parsed(
        "CAULDRON_INSTANCE",
        Some(given),
        parse,
        "name the installation: cluster/namespace/release",
    )?;
    Some(value)
}
