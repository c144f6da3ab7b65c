use super::*;

fn app(code: &str, installed: &str) -> AppEvidence {
    AppEvidence {
        name: "crm".into(),
        code: Version::parse(code),
        installed: Version::parse(installed),
        ..AppEvidence::default()
    }
}

fn seen(app: AppEvidence) -> Evidence {
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
    Evidence { doctypes: changes.collect(), ..seen(app("1", "1")) }
}

fn with_orphan(evidence: Evidence) -> Evidence {
    Evidence { orphans: vec!["Lead".into()], ..evidence }
}

fn words(evidence: &Evidence) -> &'static str {
    relation(evidence).kind().as_str()
}

#[test]
fn the_record_comes_before_every_guess() {
    let mut equal = seen(app("1", "2"));
    equal.recorded = Some("mine".into());
    assert_eq!(relation(&equal), Relation::Equal);
    let rolled_back = Evidence { in_history: true, ..seen(with_patches(app("3", "2"), false)) };
    assert_eq!(relation(&rolled_back), Relation::RolledBack);
    let incomplete = Evidence { missing: vec!["hr".into()], ..equal };
    assert!(matches!(relation(&incomplete), Relation::Incomplete(_)));
}

#[test]
fn versions_tell_first() {
    assert_eq!(words(&seen(app("2", "1"))), "newer");
    assert_eq!(words(&with_orphan(seen(app("2", "1")))), "newer", "a DocType that was given up");
    assert_eq!(words(&seen(with_patches(app("1", "2"), false))), "older");
    let mixed = Evidence { apps: vec![app("2", "1"), app("1", "2")], ..seen(app("1", "1")) };
    assert_eq!(words(&mixed), "older", "one app below is enough");
    let unreadable = seen(app("develop", "1"));
    assert_eq!(words(&unreadable), "newer", "and nothing is pending");
}

#[test]
fn new_patches_prove_it_unless_others_are_lacking() {
    let evidence = |lacks| seen(with_patches(app("1", "1"), lacks));
    assert_eq!(words(&evidence(false)), "newer");
    assert_eq!(words(&with_orphan(evidence(false))), "newer");
    assert_eq!(words(&with_orphan(evidence(true))), "unknown", "an older branch with a fix of its own");
    let mut trimmed = evidence(true);
    trimmed.doctypes = vec![DocTypeChange { name: "Lead".into(), age: Age::Newer }];
    assert_eq!(words(&trimmed), "newer");
}

#[test]
fn doctypes_tell_by_their_age_and_unknown_is_not_newer() {
    assert_eq!(words(&with_doctypes(&[])), "newer", "nothing is pending: nothing can be lost");
    assert_eq!(words(&with_doctypes(&[Age::Newer, Age::New, Age::Same])), "newer");
    assert_eq!(words(&with_doctypes(&[Age::Older, Age::Same])), "older");
    assert_eq!(words(&with_doctypes(&[Age::Older, Age::Newer])), "unknown");
    assert_eq!(words(&with_doctypes(&[Age::Same])), "unknown");
    assert_eq!(
        words(&with_doctypes(&[Age::OfAnotherApp])),
        "newer",
        "this very code defines it, in another app"
    );
    assert_eq!(words(&with_doctypes(&[Age::OfAnotherApp, Age::Same])), "unknown");
    assert_eq!(words(&with_doctypes(&[Age::OfAnotherApp, Age::Older])), "older");
    let pending =
        Evidence { apps: vec![with_patches(app("1", "1"), true)], ..with_doctypes(&[Age::OfAnotherApp]) };
    assert_eq!(words(&pending), "unknown", "an older branch with a fix of its own");
    assert_eq!(words(&with_orphan(with_doctypes(&[]))), "unknown");
    assert_eq!(words(&with_orphan(with_doctypes(&[Age::Newer]))), "unknown");
}

#[test]
fn history_tells_where_versions_do_not() {
    let descends = |app: AppEvidence, descent| seen(AppEvidence { descent: Some(descent), ..app });
    let with_new_patch = with_patches(app("1", "1"), false);
    assert_eq!(words(&descends(with_new_patch, Descent::Older)), "older");
    assert_eq!(words(&descends(app("2", "1"), Descent::Older)), "older");
    assert_eq!(words(&with_orphan(descends(app("1", "1"), Descent::Newer))), "newer");
    assert_eq!(words(&descends(app("1", "2"), Descent::Newer)), "older", "a lower version comes first");
}

/// The negative control of the rule: whatever else is seen, data is deleted only by code that is proved newer.
#[test]
fn nothing_is_deleted_without_a_proof() {
    let ages = [Age::New, Age::Newer, Age::Same, Age::Older, Age::OfAnotherApp];
    for bits in 0..32_u32 {
        let some: Vec<Age> =
            ages.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, age)| *age).collect();
        assert_ne!(words(&with_orphan(with_doctypes(&some))), "newer", "{some:?}");
    }
}
