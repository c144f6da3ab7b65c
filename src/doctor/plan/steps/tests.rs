use super::*;

const ORIGIN: &str = "branch main of https://host/shop";

fn shop(work: apps::Work) -> Foreseen {
    Foreseen { label: "shop".into(), app: "shop".into(), origin: ORIGIN.into(), work, installs: true }
}

/// A site with a key, one wanted app that is to be installed, and no backups.
fn work(of_the_app: apps::Work, force: bool) -> Work {
    let installs = vec![Install { app: "shop".into(), force }];
    Work { apps: vec![shop(of_the_app)], installs, has_key: true, ..Work::default() }
}

fn texts(action: &Action, migration: Migration, work: &Work) -> Vec<String> {
    steps(action, migration, work).into_iter().map(|step| step.text).collect()
}

const NEW: apps::Work = apps::Work::FetchAndPublish { if_moved: false };
const MOVES: apps::Work = apps::Work::FetchAndPublish { if_moved: true };
const FETCH: &str = "fetch shop (branch main of https://host/shop)";
const PUBLISH: &str = "publish shop: requirements, assets and bytecode";
const KEY: &str = "ensure an encryption key";
const FINISH: &str = "record the site as finished";

#[test]
fn each_action_has_its_steps_in_the_order_of_a_start() {
    let again = Action::CreateAgain { attempt: "a".into() };
    let gate = || Migration::Gate(vec![PlannedStep::named(StepName::Migrate)]);
    let nothing = || Migration::Gate(Vec::new());
    let keyless = |work: Work| Work { has_key: false, ..work };
    let from_the_volume = format!("{PUBLISH}, from the source on the volume");
    let later = "migrate, if the published apps require it: this can be planned only then";
    let role = "create role and database if they do not exist";
    for (action, migration, work, expected) in [
        (
            Action::Create,
            Migration::Ungated,
            keyless(work(NEW, false)),
            vec![role, FETCH, PUBLISH, "new-site", "enable-scheduler", KEY, "install-app shop", FINISH],
        ),
        (
            again,
            Migration::Ungated,
            keyless(work(apps::Work::None, false)),
            vec![
                "clear what the unfinished creation made",
                "set its folder aside",
                "new-site",
                "enable-scheduler",
                KEY,
                "install-app shop",
                FINISH,
            ],
        ),
        (
            Action::MigrateOnce,
            Migration::Ungated,
            Work { has_key: true, ..Work::default() },
            vec!["migrate", "enable-scheduler", FINISH],
        ),
        (Action::MigrateOnce, gate(), keyless(Work::default()), vec![KEY, "migrate", FINISH]),
        (
            Action::Adopt,
            gate(),
            keyless(Work::default()),
            vec!["create the site's folder again", KEY, "migrate", FINISH],
        ),
        (Action::Continue, nothing(), Work { has_key: true, ..Work::default() }, vec![]),
        (Action::Continue, nothing(), work(apps::Work::None, false), vec!["install-app shop"]),
        (
            Action::Continue,
            gate(),
            work(apps::Work::Publish, false),
            vec![&from_the_volume, "migrate", "install-app shop"],
        ),
        (
            Action::Continue,
            Migration::Unknown,
            work(NEW, false),
            vec![FETCH, PUBLISH, later, "install-app shop"],
        ),
        (
            Action::Continue,
            Migration::Unknown,
            Work { installs: Vec::new(), ..work(MOVES, false) },
            vec![
                "fetch shop (branch main of https://host/shop), if its commit is not published yet",
                "publish shop: requirements, assets and bytecode, if it was fetched",
                later,
            ],
        ),
    ] {
        assert_eq!(texts(&action, migration, &work), expected, "{action:?}");
    }
}

#[test]
fn all_apps_are_fetched_before_the_first_is_published() {
    let till = Foreseen { label: "till".into(), app: "till".into(), ..shop(NEW) };
    let work = Work { apps: vec![shop(NEW), till], has_key: true, ..Work::default() };
    let names = steps(&Action::Continue, Migration::Gate(Vec::new()), &work);
    let names: Vec<_> = names.into_iter().filter_map(|step| step.timed_as).collect();
    assert_eq!(names, ["fetch shop", "fetch till", "publish shop", "publish till"]);
}

#[test]
fn an_interrupted_install_is_repeated_after_a_backup_of_a_site_in_use() {
    let interrupted = Work { takes_backup: true, ..work(apps::Work::None, true) };
    let repeated = "install-app shop --force: an earlier install did not finish";
    let nothing = Migration::Gate(Vec::new());
    let found = steps(&Action::Continue, nothing.clone(), &interrupted);
    assert_eq!(
        found,
        [
            PlannedStep::timed("back up the database", "pg_dump"),
            PlannedStep::timed(repeated, "install-app shop")
        ]
    );
    let without = Work { takes_backup: false, ..interrupted };
    assert_eq!(texts(&Action::Continue, nothing, &without), [repeated]);
}
