//! Why the gate does not migrate, in words, with the ways out.

use crate::outcome::Fault;
use crate::record::migrations::{Gate, Tried};

/// A switch that is left behind in a manifest does nothing later: another code, another database, another id.
pub fn id(fingerprint: &str, database: Option<&str>) -> String {
    format!(
        "{}-{}",
        &fingerprint[..8],
        database.map_or("none", |database| &database[..8.min(database.len())])
    )
}

/// Of code that is older, or not known to be newer.
pub fn fault(why: &str, id: &str) -> Fault {
    Fault::foreign_data(
        format!("this code is not known to be newer than the database: {why}"),
        format!(
            "start the newer code, or a version that this database was migrated to before; to migrate with this code all \
             the same, set CAULDRON_ALLOW_DOWNGRADE={id}; nothing was changed"
        ),
    )
}

/// Of code that lacks an installed app.
pub fn incomplete(why: &str) -> Fault {
    let mend = "add the app to the image and to sites/apps.txt, or uninstall it; nothing was changed";
    Fault::configuration(why, mend)
}

/// Of code that was tried often enough.
pub fn gave_up(gate: &Gate, tried: &Tried) -> Fault {
    let mend = "mend the cause, then `cauldron-frappe migrate --retry`";
    if gate.is_half_done() {
        return Fault::try_again(format!("tried {} times: {}", tried.attempts, gate.remedy()), mend);
    }
    let last = tried.last_error.as_deref().unwrap_or("its leader was gone in the middle of it");
    Fault::try_again(
        format!(
            "the migration was tried {} times, and failed before it changed anything: {last}",
            tried.attempts
        ),
        format!("the old version goes on; {mend}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_this_code_and_this_database() {
        assert_eq!(id("aaaaaaaaaa", Some("bbbbbbbbbb")), "aaaaaaaa-bbbbbbbb");
        assert_eq!(id("aaaaaaaaaa", None), "aaaaaaaa-none");
        assert!(fault("x", "aaaaaaaa-none").mend.contains("CAULDRON_ALLOW_DOWNGRADE=aaaaaaaa-none"));
    }
}
