use super::*;
use crate::code::relation::{Age, DocTypeChange, Evidence};
use crate::record::migrations::MAX_ATTEMPTS;

const FINGERPRINT: &str = "aaaaaaaaaa";
const RECORDED: &str = "bbbbbbbbbb";
const ID: &str = "aaaaaaaa-bbbbbbbb";

/// The expected kind of decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Serve,
    ServeRolledBack,
    Migrate,
    NoOp,
    Wait,
    Interrupted,
    NotNewer,
    Incomplete,
    GaveUp,
}

const ANY: &[&str] = &["equal", "newer", "rolled back", "older", "unknown", "incomplete"];
const NOT_NEWER: &[&str] = &["equal", "rolled back", "older", "unknown", "incomplete"];
const REFUSED: &[&str] = &["older", "unknown"];

/// Relation; then `+` (yes), `-` (no) or `.` (either) for: a live leader, interrupted, always, allowed, attempts used
/// up and no retry, pending. No two rows overlap.
const TABLE: &[(&[&str], &str, Is)] = &[
    (ANY, "+.....", Is::Wait),
    (NOT_NEWER, "-+....", Is::Interrupted),
    (&["rolled back"], "--....", Is::ServeRolledBack),
    (&["incomplete"], "--....", Is::Incomplete),
    (&["equal"], "---...", Is::Serve),
    (&["equal"], "--+.+.", Is::GaveUp),
    (&["equal"], "--+.--", Is::NoOp),
    (&["equal"], "--+.-+", Is::Migrate),
    (REFUSED, "--.-..", Is::NotNewer),
    (REFUSED, "--.++.", Is::GaveUp),
    (REFUSED, "--.+--", Is::NoOp),
    (REFUSED, "--.+-+", Is::Migrate),
    (&["newer"], "-...+.", Is::GaveUp),
    (&["newer"], "--..--", Is::NoOp),
    (&["newer"], "--..-+", Is::Migrate),
    (&["newer"], "-+..-.", Is::Migrate),
];

fn expected(relation: &Relation, bits: [bool; 6]) -> Is {
    let fits =
        |pattern: &str| pattern.chars().zip(bits).all(|(mark, bit)| mark == '.' || (mark == '+') == bit);
    let rows: Vec<Is> = TABLE
        .iter()
        .filter(|(relations, pattern, _)| relations.contains(&relation.description()) && fits(pattern))
        .map(|(.., is)| *is)
        .collect();
    assert_eq!(rows.len(), 1, "one row of the table for {relation:?} {bits:?}");
    rows[0]
}

fn kind(decision: &Decision) -> Is {
    match decision {
        Decision::Serve => Is::Serve,
        Decision::ServeRolledBack => Is::ServeRolledBack,
        Decision::Migrate { no_op: true, .. } => Is::NoOp,
        Decision::Migrate { no_op: false, .. } => Is::Migrate,
        Decision::Wait(_) => Is::Wait,
        Decision::Refuse(MigrationRefusal::Interrupted(_)) => Is::Interrupted,
        Decision::Refuse(MigrationRefusal::NotNewer { .. }) => Is::NotNewer,
        Decision::Refuse(MigrationRefusal::Incomplete(_)) => Is::Incomplete,
        Decision::Refuse(MigrationRefusal::GaveUp { .. }) => Is::GaveUp,
    }
}

/// Every stage that can be on record, with the kind of its migration and whether a leader finds it interrupted.
fn gates() -> Vec<(Gate, bool)> {
    use Stage::{BackingUp, Checking, Draining, Failed, Finishing, Maintenance, Migrating, Open};
    let gate = |stage, no_op, interrupted| Gate { stage, no_op, interrupted, ..Gate::default() };
    let mut gates = vec![(gate(Failed, false, true), true), (gate(Migrating, false, false), true)];
    for stage in [Checking, BackingUp, Draining, Maintenance] {
        gates.push((gate(stage, false, false), false));
    }
    for stage in [Open, Finishing] {
        gates.extend([(gate(stage, false, false), false), (gate(stage, true, false), false)]);
    }
    for stage in [Checking, BackingUp, Migrating] {
        gates.push((gate(stage, true, false), false));
    }
    for stage in [Checking, Draining, Maintenance, Migrating] {
        gates.push((gate(stage, false, true), true));
    }
    gates
}

fn relations() -> [Relation; 6] {
    let why = || "why".to_string();
    [
        Relation::Equal,
        Relation::Newer,
        Relation::RolledBack,
        Relation::Older(why()),
        Relation::Unknown(why()),
        Relation::Incomplete(why()),
    ]
}

fn assessment(relation: &Relation, gate: &Gate) -> Assessment {
    Assessment {
        standing: Standing {
            fingerprint: FINGERPRINT.into(),
            released: std::collections::BTreeMap::new(),
            relation: relation.clone(),
            evidence: Evidence::default(),
            tried: None,
        },
        recorded: Some(RECORDED.into()),
        gate: gate.clone(),
        tried: AttemptHistory::default(),
        running: None,
    }
}

#[test]
fn every_combination_is_one_row_of_the_table() {
    let change = DocTypeChange { name: "Note".into(), age: Age::Newer };
    let mut seen_kinds = Vec::new();
    for relation in relations() {
        for (gate, interrupted) in gates() {
            for bits in 0..64_u32 {
                let bit = |at: u32| bits & (1 << at) != 0;
                let (runs, always, allowed, tried, retry, pending) =
                    (bit(0), bit(1), bit(2), bit(3), bit(4), bit(5));
                let mut seen = assessment(&relation, &gate);
                seen.running =
                    runs.then(|| RunningMigration { holder: Some("pod".into()), reported: "migrate".into() });
                seen.tried.attempts = if tried { MAX_ATTEMPTS } else { MAX_ATTEMPTS - 1 };
                seen.standing.evidence.doctypes.extend(pending.then(|| change.clone()));
                let allow_downgrade = if allowed { Some(ID) } else { Some("aaaaaaaa-cccccccc") };
                let decision = decide(&seen, &Request { always, retry, allow_downgrade });
                let row = expected(&relation, [runs, interrupted, always, allowed, tried && !retry, pending]);
                assert_eq!(kind(&decision), row, "{relation:?} {gate:?} {bits:06b}");
                seen_kinds.push(row);
            }
        }
    }
    assert!(TABLE.iter().all(|(.., is)| seen_kinds.contains(is)));
}

#[test]
fn a_refusal_contains_its_reason() {
    let older = Relation::Older("frappe is 15.1 here".into());
    let open = Gate::default();
    let refused = decide(&assessment(&older, &open), &Request::default());
    let fault = refused.refusal().unwrap().fault();
    assert!(fault.code == 65 && fault.hint.contains(ID), "{fault}");
    let allowed =
        decide(&assessment(&older, &open), &Request { allow_downgrade: Some(ID), ..Request::default() });
    assert_eq!(allowed, Decision::Migrate { no_op: true, downgrade: Some("frappe is 15.1 here".into()) });
    let mut tried = assessment(&Relation::Newer, &open);
    tried.tried = AttemptHistory {
        attempts: MAX_ATTEMPTS,
        last_error: Some("no disk".into()),
        ..AttemptHistory::default()
    };
    let fault = decide(&tried, &Request::default()).refusal().unwrap().fault();
    assert!(fault.code == 75 && fault.cause.contains("no disk"), "{fault}");
    // The previous leader died while it changed the tables.
    let orphan = Gate { stage: Stage::Migrating, target: Some("cccc".into()), ..open };
    let fault =
        decide(&assessment(&Relation::Equal, &orphan), &Request::default()).refusal().unwrap().fault();
    assert!(fault.cause.contains("to cccc failed") && fault.cause.contains("its leader died"), "{fault}");
}
