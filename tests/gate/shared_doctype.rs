//! A DocType that two apps define, like Print Heading in Frappe and in ERPNext 15: the code that created a site is
//! never older than its tables.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::release::{LATER, Release};
use crate::stage::{DATABASE, GateStage, SITE};
use crate::support::bench::Bench;
use crate::support::binary::Binary;
use crate::support::made_app::{MadeApp, pin_baked};
use crate::support::postgres::{PASSWORD, SUPERUSER};

const NOTE: &str = "shop/doctype/note";

/// Adds an app to the image that also defines Note, in a file that is older than Frappe's.
fn bake(bench: &Bench, colours: &[&str]) -> MadeApp {
    let app = MadeApp::new("shop", "1.0.0");
    app.bake(bench);
    let folder = bench.path().join("apps/shop/shop").join(NOTE);
    fs::create_dir_all(&folder).expect("a folder");
    let field = |name: &&str| json!({"fieldname": name, "fieldtype": "Data"});
    let fields: Vec<_> = std::iter::once(&"title").chain(colours).map(field).collect();
    let doctype = json!({"name": "Note", "doctype": "DocType", "module": "Shop", "fields": fields,
        "modified": "2002-01-01 00:00:00.000000"});
    fs::write(folder.join("note.json"), doctype.to_string()).expect("a DocType");
    app
}

struct Shop {
    stage: GateStage,
    list: String,
}

impl Shop {
    fn new() -> Self {
        let mut stage = GateStage::new();
        let app = bake(stage.old(), &[]);
        bake(&stage.new, &[]);
        for bench in [&mut stage.stage.bench, &mut stage.new] {
            let folder = bench.path().join("apps/shop").display().to_string();
            bench.add_environment("PYTHONPATH", &folder);
        }
        let list = pin_baked(stage.old(), &[&app]);
        let shop = Self { stage, list };
        shop.leader(shop.stage.old()).run().exits(0);
        // Each migrate imports both files, one after the other, and sets the time to now. Frappe's own command looks only
        // for modules of apps in apps.txt, which has the app in a pod's overlay.
        let list = shop.stage.old().sites().join("apps.txt");
        let without = fs::read_to_string(&list).expect("apps.txt");
        fs::write(&list, format!("{}\nshop\n", without.trim_end())).expect("apps.txt");
        let migrated = shop.stage.old().run(&["--site", SITE, "migrate"]);
        fs::write(&list, without).expect("apps.txt");
        assert_eq!(migrated.exit, Some(0), "{}", migrated.text);
        let module = shop.stage.session().value("select module from \"tabDocType\" where name = 'Note'");
        assert_eq!(module.as_deref(), Some("Shop"), "the app that was installed last counts");
        shop
    }

    fn leader(&self, bench: &Bench) -> Binary {
        self.stage.leader_on(bench).set("CAULDRON_APPS", &self.list)
    }

    /// Deletes our tables, as on a site that `bench` created or whose database was restored without them.
    fn forget(&self) {
        let site = self.stage.session();
        while let Some(table) =
            site.value("select tablename::text from pg_tables where tablename like '\\_\\_cauldron%' limit 1")
        {
            site.run(&format!("drop table public.\"{table}\" cascade"));
        }
    }

    /// Restores a migration's backup as described in operations.md.
    fn restore(&self, dump: &std::path::Path) {
        let mut command = Command::new("pg_restore");
        command.args(["--clean", "--if-exists", "--no-owner", "--single-transaction", "--role", DATABASE]);
        command.args(["-h", "127.0.0.1", "-U", SUPERUSER, "-d", DATABASE, "-p"]);
        command.arg(self.stage.postgres.port().to_string()).arg(dump).env("PGPASSWORD", PASSWORD);
        let ran = command.output().expect("pg_restore runs");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
}

#[test]
fn the_code_that_made_a_site_adopts_it() {
    let shop = Shop::new();
    shop.forget();
    shop.leader(&shop.stage.new).run().exits(0);
    assert!(shop.stage.state("fingerprint").is_some());
}

#[test]
fn the_code_of_a_backup_takes_it_back_and_newer_code_migrates_it() {
    let shop = Shop::new();
    shop.stage.release().patch("two", "pass").field("desk/doctype/tag/tag", "colour", LATER);
    shop.leader(&shop.stage.new).run().exits(0).event("migration.finished");
    let dump = shop.stage.backups().pop().expect("a backup");
    shop.restore(&dump);
    shop.leader(shop.stage.old()).run().exits(0);
    shop.forget();
    shop.leader(shop.stage.old()).run().exits(0);
    shop.leader(&shop.stage.new).run().exits(0).event("migration.finished");
    assert_eq!(shop.stage.logged("two"), "1");
}

/// After a migrate that ended between the two apps, or `reload-doctype` of the first, the database has this code's own
/// definition.
#[test]
fn the_definition_of_the_other_app_is_not_newer() {
    let shop = Shop::new();
    let own = shop.stage.old().path().join("apps/frappe/frappe/desk/doctype/note/note.json");
    let text = fs::read_to_string(own).expect("a DocType");
    shop.stage.session().run(&format!(
        "update \"tabDocType\" set migration_hash = md5($text${text}$text$), modified = now() where name = 'Note'"
    ));
    shop.forget();
    shop.leader(&shop.stage.new).run().exits(0);
}

/// The negative control: older code is still refused, because of a DocType that only one app defines and of one that
/// both define.
#[test]
fn older_code_is_still_refused() {
    let shop = Shop::new();
    bake(&shop.stage.new, &["colour"]);
    shop.stage.release().field("desk/doctype/tag/tag", "colour", LATER);
    shop.leader(&shop.stage.new).run().exits(0).event("migration.finished");
    shop.forget();
    let old = Release::of(shop.stage.old().path().join("apps/frappe/frappe"));
    old.field("desk/doctype/tag/tag", "size", "2001-01-01 00:00:00.000000");
    shop.leader(shop.stage.old()).run().exits(65).says("the database has newer DocTypes than this code: Tag");
}
