use super::*;

fn app(code: &str, installed: &str) -> AppEvidence {
    AppEvidence {
        name: "crm".into(),
        code: Version::parse(code),
        installed: Version::parse(installed),
        ..AppEvidence::default()
    }
}

fn evidence_of(app: AppEvidence) -> Evidence {
    Evidence {
        fingerprint: "mine".into(),
        recorded: Some("theirs".into()),
        apps: vec![app],
        ..Evidence::default()
    }
}

fn with_patches(mut app: AppEvidence, lacks_patches: bool) -> AppEvidence {
    app.pending = vec!["crm.patches.two".into()];
    app.lacks_patches = lacks_patches;
    app
}

fn with_doctypes(ages: &[Age]) -> Evidence {
    let changes = ages.iter().map(|age| DocTypeChange { name: format!("{age:?}"), age: *age });
    Evidence { doctypes: changes.collect(), ..evidence_of(app("1", "1")) }
}

fn with_orphan(evidence: Evidence) -> Evidence {
    Evidence { orphans: vec!["Lead".into()], ..evidence }
}

fn kind(evidence: &Evidence) -> &'static str {
    relation(evidence).kind().as_str()
}

#[test]
fn the_record_takes_precedence_over_everything_else() {
    let mut equal = evidence_of(app("1", "2"));
    equal.recorded = Some("mine".into());
    assert_eq!(relation(&equal), Relation::Equal);
    let rolled_back = Evidence { in_history: true, ..evidence_of(with_patches(app("3", "2"), false)) };
    assert_eq!(relation(&rolled_back), Relation::RolledBack);
    let incomplete = Evidence { missing: vec!["hr".into()], ..equal };
    assert!(matches!(relation(&incomplete), Relation::Incomplete(_)));
}

#[test]
fn versions_decide_first() {
    assert_eq!(kind(&evidence_of(app("2", "1"))), "newer");
    assert_eq!(
        kind(&with_orphan(evidence_of(app("2", "1")))),
        "newer",
        "a DocType that was removed from the app"
    );
    assert_eq!(kind(&evidence_of(with_patches(app("1", "2"), false))), "older");
    let mixed = Evidence { apps: vec![app("2", "1"), app("1", "2")], ..evidence_of(app("1", "1")) };
    assert_eq!(kind(&mixed), "older", "one older app is enough");
    let unreadable = evidence_of(app("develop", "1"));
    assert_eq!(kind(&unreadable), "newer", "and nothing is pending");
}

#[test]
fn new_patches_prove_newer_code_unless_it_lacks_logged_ones() {
    let evidence = |lacks| evidence_of(with_patches(app("1", "1"), lacks));
    assert_eq!(kind(&evidence(false)), "newer");
    assert_eq!(kind(&with_orphan(evidence(false))), "newer");
    assert_eq!(kind(&with_orphan(evidence(true))), "unknown", "an older branch with a fix of its own");
    let mut trimmed = evidence(true);
    trimmed.doctypes = vec![DocTypeChange { name: "Lead".into(), age: Age::Newer }];
    assert_eq!(kind(&trimmed), "newer");
}

#[test]
fn the_age_of_doctypes_decides_and_unknown_is_not_newer() {
    assert_eq!(kind(&with_doctypes(&[])), "newer", "nothing is pending: nothing can be lost");
    assert_eq!(kind(&with_doctypes(&[Age::Newer, Age::New, Age::Same])), "newer");
    assert_eq!(kind(&with_doctypes(&[Age::New, Age::OfAnotherApp])), "newer");
    assert_eq!(kind(&with_doctypes(&[Age::New, Age::Same])), "unknown", "deleted and changed by newer code");
    assert_eq!(kind(&with_doctypes(&[Age::Older, Age::Same])), "older");
    assert_eq!(kind(&with_doctypes(&[Age::Older, Age::Newer])), "unknown");
    assert_eq!(kind(&with_doctypes(&[Age::Same])), "unknown");
    assert_eq!(
        kind(&with_doctypes(&[Age::OfAnotherApp])),
        "newer",
        "another app of the same code defines it"
    );
    assert_eq!(kind(&with_doctypes(&[Age::OfAnotherApp, Age::Same])), "unknown");
    assert_eq!(kind(&with_doctypes(&[Age::OfAnotherApp, Age::Older])), "older");
    let pending =
        Evidence { apps: vec![with_patches(app("1", "1"), true)], ..with_doctypes(&[Age::OfAnotherApp]) };
    assert_eq!(kind(&pending), "unknown", "an older branch with a fix of its own");
    assert_eq!(kind(&with_orphan(with_doctypes(&[]))), "unknown");
    assert_eq!(kind(&with_orphan(with_doctypes(&[Age::Newer]))), "unknown");
}

#[test]
fn history_decides_where_versions_do_not() {
    let descends = |app: AppEvidence, descent| evidence_of(AppEvidence { descent: Some(descent), ..app });
    let with_new_patch = with_patches(app("1", "1"), false);
    assert_eq!(kind(&descends(with_new_patch, Descent::Older)), "older");
    assert_eq!(kind(&descends(app("2", "1"), Descent::Older)), "older");
    assert_eq!(kind(&with_orphan(descends(app("1", "1"), Descent::Newer))), "newer");
    assert_eq!(kind(&descends(app("1", "2"), Descent::Newer)), "older", "a lower version takes precedence");
}

#[test]
fn tables_of_frappe_14_and_a_migration_that_this_code_began_prove_newer_code() {
    let in_doubt = || with_orphan(with_doctypes(&[Age::Older, Age::Same]));
    assert_eq!(kind(&in_doubt()), "unknown");
    assert_eq!(kind(&Evidence { is_of_frappe_14: true, ..in_doubt() }), "newer");
    assert_eq!(kind(&Evidence { was_begun: true, ..in_doubt() }), "newer");
    let lower = Evidence { was_begun: true, is_of_frappe_14: true, ..evidence_of(app("1", "2")) };
    assert_eq!(kind(&lower), "older", "a lower version takes precedence");
}

/// The negative control of the rule: whatever the other evidence, only code that is proved newer deletes data.
#[test]
fn nothing_is_deleted_without_a_proof() {
    let ages = [Age::New, Age::Newer, Age::Same, Age::Older, Age::OfAnotherApp];
    for bits in 0..32_u32 {
        let some: Vec<Age> =
            ages.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, age)| *age).collect();
        assert_ne!(kind(&with_orphan(with_doctypes(&some))), "newer", "{some:?}");
    }
}
