//! Decides whether the site belongs to this installation or is a copy. A pure function, no I/O.
//!
//! ```text
//!                 record, volume and instance agree
//!   evidence ───┬──────────────────────────────────▶ Own
//!               ├─ restore of its own backup ──────▶ Own
//!               ├─ they differ ────────────────────▶ Copy ──CAULDRON_CLONE names its id──▶ Accepted
//!               └─ marked as a copy ───────────────▶ StillCopy ─────────────┘                 │
//!                                                                                              ▼
//!                                                                                             Own
//! ```
//!
//! A copy sends no mail and runs no jobs: production's customers must not get mail from staging. The mark of a copy
//! is on the volume, because the database may be the original's.

use serde::{Deserialize, Serialize};

use super::database_id::DatabaseId;
use super::state::State;

/// The file `copy.json`, on the volume while the site is a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyMark {
    /// The id that CAULDRON_CLONE has to name to accept the copy.
    pub id: String,
    /// The installation that it is a copy of.
    pub of: String,
    pub why: String,
    /// The switches in site_config.json that we set; those that an operator had set stay.
    pub switched: Vec<String>,
}

/// The file `restore.json`, on the volume from the start of a restore under the exclusive lock (`exec -- bench
/// restore`) until a leader has read the restored database, which was this installation's own when the restore began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreMark {
    pub install_id: String,
    pub database: DatabaseId,
}

impl RestoreMark {
    /// The mark for a restore into `database`; None unless the record there is this volume's own: a backup that is
    /// restored into a copy's database, or into a new one, is a copy.
    pub fn before(recorded: Option<&State>, on_volume: Option<&str>, database: &DatabaseId) -> Option<Self> {
        let install_id = recorded?.install_id.clone();
        (on_volume == Some(install_id.as_str())).then(|| Self { install_id, database: database.clone() })
    }
}

/// The input of [`classify`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// Our record, written in this database.
    pub recorded: Option<&'a State>,
    /// The installation of a record that came with a restored backup or a copied database.
    pub history: Option<&'a str>,
    /// A restore under the exclusive lock, and the database that is inspected.
    pub restore: Option<(&'a RestoreMark, &'a DatabaseId)>,
    pub on_volume: Option<&'a str>,
    /// CAULDRON_INSTANCE.
    pub instance: Option<&'a str>,
    pub mark: Option<&'a CopyMark>,
    /// CAULDRON_CLONE.
    pub accepted: Option<&'a str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// This installation's own, with the id on record.
    Own(Option<String>),
    /// A copy that was not known before.
    Copy {
        of: String,
        why: String,
    },
    StillCopy,
    /// A copy that the operator made an independent site.
    Accepted,
}

/// Decides whose site this is.
pub fn classify(evidence: &Evidence<'_>) -> Identity {
    let Evidence { recorded, history, restore, on_volume, instance, mark, accepted } = *evidence;
    if let Some(mark) = mark {
        return if accepted == Some(mark.id.as_str()) { Identity::Accepted } else { Identity::StillCopy };
    }
    let copy = |of: &str, why: String| Identity::Copy { of: of.to_string(), why };
    let Some(state) = recorded else {
        return match history {
            // The site's own backup replaced the database that it was taken from.
            Some(of) if is_own_restore(of, on_volume, restore) => Identity::Own(Some(of.to_string())),
            Some(of) => {
                copy(of, "its record was written in another database: a restored backup, or a copy".into())
            }
            None => Identity::Own(on_volume.map(str::to_string)),
        };
    };
    if let Some(volume) = on_volume.filter(|volume| *volume != state.install_id) {
        return copy(&state.install_id, format!("the volume belongs to installation {volume}"));
    }
    match (state.instance.as_deref(), instance) {
        (Some(recorded), Some(ours)) if recorded != ours => copy(
            &state.install_id,
            format!("it is recorded for instance {recorded}, and this is instance {ours}"),
        ),
        _ => Identity::Own(Some(state.install_id.clone())),
    }
}

fn is_own_restore(of: &str, on_volume: Option<&str>, restore: Option<(&RestoreMark, &DatabaseId)>) -> bool {
    restore.is_some_and(|(mark, database)| {
        on_volume == Some(of) && mark.install_id == of && mark.database == *database
    })
}

#[cfg(test)]
mod tests {
    use super::super::phase::SitePhase;
    use super::*;

    fn state(instance: Option<&str>) -> State {
        State {
            phase: SitePhase::Complete,
            install_id: "a".into(),
            instance: instance.map(str::to_string),
            ..State::default()
        }
    }

    #[test]
    fn a_site_whose_ids_agree_is_own() {
        let recorded = state(Some("prod"));
        let evidence = Evidence { recorded: Some(&recorded), on_volume: Some("a"), ..Evidence::default() };
        assert_eq!(classify(&evidence), Identity::Own(Some("a".into())));
        assert_eq!(
            classify(&Evidence { instance: Some("prod"), ..evidence }),
            Identity::Own(Some("a".into()))
        );
        assert_eq!(classify(&Evidence { on_volume: None, ..evidence }), Identity::Own(Some("a".into())));
        assert_eq!(classify(&Evidence::default()), Identity::Own(None));
        let kept = Evidence { on_volume: Some("v"), ..Evidence::default() };
        assert_eq!(classify(&kept), Identity::Own(Some("v".into())));
    }

    #[test]
    fn a_site_whose_ids_differ_is_a_copy() {
        let recorded = state(Some("prod"));
        let evidence = Evidence { recorded: Some(&recorded), on_volume: Some("a"), ..Evidence::default() };
        for copied in [
            Evidence { on_volume: Some("b"), ..evidence },
            Evidence { instance: Some("staging"), ..evidence },
            Evidence { history: Some("a"), on_volume: Some("a"), ..Evidence::default() },
        ] {
            let identity = classify(&copied);
            assert!(matches!(&identity, Identity::Copy { of, .. } if of == "a"), "{copied:?}: {identity:?}");
        }
    }

    #[test]
    fn a_copy_stays_a_copy_until_its_own_id_is_named() {
        let mark = CopyMark { id: "n".into(), of: "a".into(), why: String::new(), switched: Vec::new() };
        let evidence = Evidence { mark: Some(&mark), ..Evidence::default() };
        assert_eq!(classify(&evidence), Identity::StillCopy);
        for other in ["a", "1", ""] {
            assert_eq!(classify(&Evidence { accepted: Some(other), ..evidence }), Identity::StillCopy);
        }
        assert_eq!(classify(&Evidence { accepted: Some("n"), ..evidence }), Identity::Accepted);
    }

    #[test]
    fn a_restored_backup_is_own_only_if_it_is_the_sites_and_in_its_own_database() {
        let database = |system: &str, name: &str| DatabaseId {
            system_identifier: Some(system.into()),
            name: name.into(),
        };
        let here = database("1", "erp");
        let mark = RestoreMark::before(Some(&state(None)), Some("a"), &here).unwrap();
        let restored = Evidence {
            history: Some("a"),
            on_volume: Some("a"),
            restore: Some((&mark, &here)),
            ..Evidence::default()
        };
        assert_eq!(classify(&restored), Identity::Own(Some("a".into())));
        let (other_cluster, other_name) = (database("2", "erp"), database("1", "staging"));
        for copied in [
            Evidence { history: Some("b"), ..restored },
            Evidence { on_volume: Some("b"), ..restored },
            Evidence { on_volume: None, ..restored },
            Evidence { restore: None, ..restored },
            Evidence { restore: Some((&mark, &other_cluster)), ..restored },
            Evidence { restore: Some((&mark, &other_name)), ..restored },
        ] {
            assert!(matches!(classify(&copied), Identity::Copy { .. }), "{copied:?}");
        }
        let copy = CopyMark { id: "n".into(), of: "a".into(), why: String::new(), switched: Vec::new() };
        assert_eq!(classify(&Evidence { mark: Some(&copy), ..restored }), Identity::StillCopy);
        // A copied volume with a new database, or with one of another installation.
        assert_eq!(RestoreMark::before(None, Some("a"), &here), None);
        assert_eq!(RestoreMark::before(Some(&state(None)), Some("b"), &here), None);
        assert_eq!(RestoreMark::before(Some(&state(None)), None, &here), None);
    }
}
