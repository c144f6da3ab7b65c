//! The reasons why a migration is refused, with what an operator can do.

use crate::outcome::Fault;
use crate::outcome::refusal::Refusal;
use crate::record::gate::Gate;
use crate::record::migrations::AttemptHistory;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MigrationRefusal {
    /// A migration of other code changed the database and did not finish; the text says what can be done.
    Interrupted(String),
    /// The code is older, or not known to be newer.
    NotNewer {
        why: String,
        /// The value of CAULDRON_ALLOW_DOWNGRADE that allows it.
        id: String,
    },
    /// The code lacks an installed app.
    Incomplete(String),
    /// The code used up its attempts.
    GaveUp {
        attempts: i32,
        last_error: Option<String>,
        /// What can be done about it, if an attempt changed the database.
        interrupted: Option<String>,
    },
}

impl MigrationRefusal {
    pub fn if_attempts_exhausted(gate: &Gate, tried: &AttemptHistory) -> Option<Self> {
        tried.is_exhausted().then(|| Self::GaveUp {
            attempts: tried.attempts,
            last_error: tried.last_error.clone(),
            interrupted: gate.is_interrupted().then(|| gate.remedy()),
        })
    }

    pub fn fault(&self) -> Fault {
        let fault = match self {
            Self::Interrupted(remedy) => Fault::try_again(remedy.as_str(), "choose one of these options"),
            Self::NotNewer { why, id } => Fault::foreign_data(
                format!("this code is not known to be newer than the database: {why}"),
                format!(
                    "start the newer code, or a version that this database was migrated to before; to migrate with \
                     this code anyway, set CAULDRON_ALLOW_DOWNGRADE={id}; nothing was changed"
                ),
            ),
            Self::Incomplete(why) => Fault::configuration(
                why.as_str(),
                "add the app to the image and to sites/apps.txt, or uninstall it; nothing was changed",
            ),
            Self::GaveUp { attempts, last_error, interrupted } => gave_up(*attempts, last_error, interrupted),
        };
        fault.named(match self {
            Self::Interrupted(_) => Refusal::MigrationInterrupted,
            Self::NotNewer { .. } => Refusal::CodeNotNewer,
            Self::Incomplete(_) => Refusal::CodeIncomplete,
            Self::GaveUp { .. } => Refusal::MigrationGaveUp,
        })
    }
}

fn gave_up(attempts: i32, last_error: &Option<String>, interrupted: &Option<String>) -> Fault {
    let hint = "fix the cause, then run `cauldron-frappe migrate --retry`";
    if let Some(remedy) = interrupted {
        return Fault::try_again(format!("tried {attempts} times: {remedy}"), hint);
    }
    let last = last_error.as_deref().unwrap_or("its leader died during the migration");
    Fault::try_again(
        format!("the migration was tried {attempts} times and failed before it changed anything: {last}"),
        format!("the old version keeps serving; {hint}"),
    )
}

/// Returns the id that CAULDRON_ALLOW_DOWNGRADE needs. A setting that is left behind in a manifest has no effect later:
/// other code or another database has another id.
pub fn id(fingerprint: &str, database: Option<&str>) -> String {
    format!(
        "{}-{}",
        &fingerprint[..8],
        database.map_or("none", |database| &database[..8.min(database.len())])
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_this_code_and_this_database() {
        assert_eq!(id("aaaaaaaaaa", Some("bbbbbbbbbb")), "aaaaaaaa-bbbbbbbb");
        assert_eq!(id("aaaaaaaaaa", None), "aaaaaaaa-none");
    }
}
