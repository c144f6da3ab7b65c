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
    assert_eq!(classify(&Evidence { instance: Some("prod"), ..evidence }), Identity::Own(Some("a".into())));
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
fn white_space_around_the_instance_makes_no_copy() {
    for (recorded, ours) in [("a/b\r", "a/b"), ("a/b", "a/b\r\n"), (" a/b", "a/b ")] {
        let recorded = state(Some(recorded));
        let evidence = Evidence {
            recorded: Some(&recorded),
            on_volume: Some("a"),
            instance: Some(ours),
            ..Evidence::default()
        };
        assert_eq!(classify(&evidence), Identity::Own(Some("a".into())));
    }
}

#[test]
fn a_mark_for_white_space_ends_and_every_other_mark_stays() {
    let recorded = state(Some("a/b"));
    let marked = |why: &str| CopyMark {
        id: "n".into(),
        of: "a".into(),
        why: why.into(),
        switched: vec!["mute_emails".into()],
    };
    let evidence = Evidence {
        recorded: Some(&recorded),
        on_volume: Some("a"),
        instance: Some("a/b"),
        ..Evidence::default()
    };
    for why in [
        "it is recorded for instance a/b, and this is a/b\r",
        "it is recorded for instance a/b, and this is instance a/b\r",
        "it is recorded for instance a/b\r, and this is instance a/b",
    ] {
        let mark = marked(why);
        let evidence = Evidence { mark: Some(&mark), ..evidence };
        assert_eq!(classify(&evidence), Identity::WronglyMarked("a".into()), "{why:?}");
        for other in [
            Evidence { instance: Some("a/c"), ..evidence },
            Evidence { instance: None, ..evidence },
            Evidence { on_volume: Some("b"), ..evidence },
            Evidence { on_volume: None, ..evidence },
            Evidence { recorded: None, ..evidence },
        ] {
            assert_eq!(classify(&other), Identity::StillCopy, "{other:?}");
        }
    }
    for why in
        ["it is recorded for instance a/b, and this is instance a/c", "the volume belongs to installation b"]
    {
        let mark = marked(why);
        assert_eq!(classify(&Evidence { mark: Some(&mark), ..evidence }), Identity::StillCopy, "{why}");
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
    let database =
        |system: &str, name: &str| DatabaseId { system_identifier: Some(system.into()), name: name.into() };
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
