//! Whose site this is: the installation that made it, or a copy of it. A pure function, no I/O.
//!
//! ```text
//!                 record, volume and instance agree
//!   evidence ───┬──────────────────────────────────▶ Own
//!               ├─ a held restore of its own backup ─▶ Own
//!               ├─ they differ ────────────────────▶ Copy ──CAULDRON_CLONE names its id──▶ Accepted
//!               └─ marked as a copy ───────────────▶ StillCopy ─────────────┘                 │
//!                                                                                              ▼
//!                                                                                             Own
//! ```
//!
//! A copy sends no mail and runs no jobs: production's customers must not hear from staging. What
//! says that it is one stays on the volume: the database may be the original's.

use serde::{Deserialize, Serialize};

use super::state::{DatabaseId, State};

/// On the volume while the site is a copy: `copy.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyMark {
    /// What CAULDRON_CLONE has to name.
    pub id: String,
    /// The installation that it is a copy of.
    pub of: String,
    pub why: String,
    /// The switches in site_config.json that we set; what an operator had set stays.
    pub switched: Vec<String>,
}

/// On the volume from before a restore that held the site (`exec -- bench restore`) until a leader has seen the
/// restored database: `restore.json`. The database was this installation's own when the restore began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreMark {
    pub install_id: String,
    pub database: DatabaseId,
}

impl RestoreMark {
    /// The mark for a restore into `database`; none where the record there is not this volume's own: what is restored
    /// into a copy's database, or into a new one, stays a copy.
    pub fn before(recorded: Option<&State>, on_volume: Option<&str>, database: &DatabaseId) -> Option<Self> {
        let install_id = recorded?.install_id.clone();
        (on_volume == Some(install_id.as_str())).then(|| Self { install_id, database: database.clone() })
    }
}

/// What there is to judge by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// Our record, written in this very database.
    pub recorded: Option<&'a State>,
    /// The installation of a record that came with a restored backup or a copied database.
    pub history: Option<&'a str>,
    /// A restore that held the site, and the database that is looked at.
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
    /// Its id, where it has one.
    Own(Option<String>),
    /// Seen now for the first time.
    Copy {
        of: String,
        why: String,
    },
    StillCopy,
    /// The operator says that it is a site of its own.
    Accepted,
}

pub fn judge(evidence: &Evidence<'_>) -> Identity {
    let Evidence { recorded, history, restore, on_volume, instance, mark, accepted } = *evidence;
    if let Some(mark) = mark {
        return if accepted == Some(mark.id.as_str()) { Identity::Accepted } else { Identity::StillCopy };
    }
    let copy = |of: &str, why: String| Identity::Copy { of: of.to_string(), why };
    let Some(state) = recorded else {
        return match history {
            // The site's own backup, in the place of the database that it was taken of.
            Some(of) if is_own_restore(of, on_volume, restore) => Identity::Own(Some(of.to_string())),
            Some(of) => {
                copy(of, "its record was written in another database: a restored backup, or a copy".into())
            }
            None => Identity::Own(on_volume.map(str::to_string)),
        };
    };
    if let Some(volume) = on_volume.filter(|volume| *volume != state.install_id) {
        return copy(&state.install_id, format!("the volume is of installation {volume}"));
    }
    match (state.instance.as_deref(), instance) {
        (Some(recorded), Some(ours)) if recorded != ours => {
            copy(&state.install_id, format!("it is recorded for instance {recorded}, and this is {ours}"))
        }
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
    fn what_agrees_is_its_own() {
        let recorded = state(Some("prod"));
        let evidence = Evidence { recorded: Some(&recorded), on_volume: Some("a"), ..Evidence::default() };
        assert_eq!(judge(&evidence), Identity::Own(Some("a".into())));
        assert_eq!(judge(&Evidence { instance: Some("prod"), ..evidence }), Identity::Own(Some("a".into())));
        assert_eq!(judge(&Evidence { on_volume: None, ..evidence }), Identity::Own(Some("a".into())));
        assert_eq!(judge(&Evidence::default()), Identity::Own(None));
        let kept = Evidence { on_volume: Some("v"), ..Evidence::default() };
        assert_eq!(judge(&kept), Identity::Own(Some("v".into())));
    }

    #[test]
    fn what_differs_is_a_copy() {
        let recorded = state(Some("prod"));
        let evidence = Evidence { recorded: Some(&recorded), on_volume: Some("a"), ..Evidence::default() };
        for copied in [
            Evidence { on_volume: Some("b"), ..evidence },
            Evidence { instance: Some("staging"), ..evidence },
            Evidence { history: Some("a"), on_volume: Some("a"), ..Evidence::default() },
        ] {
            let judged = judge(&copied);
            assert!(matches!(&judged, Identity::Copy { of, .. } if of == "a"), "{copied:?}: {judged:?}");
        }
    }

    #[test]
    fn a_copy_stays_one_until_its_own_id_is_named() {
        let mark = CopyMark { id: "n".into(), of: "a".into(), why: String::new(), switched: Vec::new() };
        let evidence = Evidence { mark: Some(&mark), ..Evidence::default() };
        assert_eq!(judge(&evidence), Identity::StillCopy);
        for other in ["a", "1", ""] {
            assert_eq!(judge(&Evidence { accepted: Some(other), ..evidence }), Identity::StillCopy);
        }
        assert_eq!(judge(&Evidence { accepted: Some("n"), ..evidence }), Identity::Accepted);
    }

    #[test]
    fn only_the_sites_own_backup_restored_in_its_own_place_is_no_copy() {
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
        assert_eq!(judge(&restored), Identity::Own(Some("a".into())));
        let (other_cluster, other_name) = (database("2", "erp"), database("1", "staging"));
        for copied in [
            Evidence { history: Some("b"), ..restored },
            Evidence { on_volume: Some("b"), ..restored },
            Evidence { on_volume: None, ..restored },
            Evidence { restore: None, ..restored },
            Evidence { restore: Some((&mark, &other_cluster)), ..restored },
            Evidence { restore: Some((&mark, &other_name)), ..restored },
        ] {
            assert!(matches!(judge(&copied), Identity::Copy { .. }), "{copied:?}");
        }
        let copy = CopyMark { id: "n".into(), of: "a".into(), why: String::new(), switched: Vec::new() };
        assert_eq!(judge(&Evidence { mark: Some(&copy), ..restored }), Identity::StillCopy);
        // A volume that was copied, and a database that is new there, or is of another installation.
        assert_eq!(RestoreMark::before(None, Some("a"), &here), None);
        assert_eq!(RestoreMark::before(Some(&state(None)), Some("b"), &here), None);
        assert_eq!(RestoreMark::before(Some(&state(None)), None, &here), None);
    }
}
