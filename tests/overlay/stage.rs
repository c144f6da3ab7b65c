//! The pods of a site with custom apps.

use std::fs;
use std::ops::Deref;
use std::time::Duration;

use crate::support::binary::Binary;
use crate::support::made_app::{MadeApp, pin};
use crate::support::stage::Stage;
use crate::support::web::Web;

pub const SITE: &str = "apps.test";
pub const DATABASE: &str = "apps_test";
pub const LONG: Duration = Duration::from_secs(60);

pub struct OverlayStage {
    stage: Stage,
}

impl Deref for OverlayStage {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl OverlayStage {
    pub fn new() -> Self {
        let stage = Stage::new(SITE, DATABASE).set("GUNICORN_WORKERS", 1).set("CAULDRON_WAIT_TIMEOUT", "20s");
        stage.bench.configure(serde_json::json!({"scheduler_tick_interval": 1}));
        Self { stage }
    }

    /// A pod with a list of wanted apps, which are published and pinned.
    pub fn with(&self, command: &str, apps: &[&MadeApp]) -> Binary {
        for app in apps {
            app.publish(&self.bench);
        }
        self.manifest(command).set("CAULDRON_APPS", pin(&self.bench, apps))
    }

    #[track_caller]
    pub fn bootstrap(&self, apps: &[&MadeApp]) {
        self.with("bootstrap", apps).run().exits(0);
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    pub fn installed(&self) -> Vec<String> {
        let sql = r#"SELECT defvalue FROM "tabDefaultValue" WHERE defkey = 'installed_apps'"#;
        serde_json::from_str(&self.session().value(sql).expect("installed_apps")).expect("a list")
    }

    /// Asserts that the app is completely installed, and that the journal has the install as finished.
    #[track_caller]
    pub fn has_complete(&self, app: &MadeApp) {
        let name = &app.name;
        assert!(self.installed().contains(name), "{:?}", self.installed());
        let site = self.session();
        for sql in [
            format!(r#"EXISTS (SELECT FROM "tabPatch Log" WHERE patch = '{name}.patches.first')"#),
            format!(
                r#"EXISTS (SELECT FROM "tabScheduled Job Type" WHERE method = '{name}.tasks.{name}_tick')"#
            ),
            format!(
                "EXISTS (SELECT FROM public.__cauldron_apps WHERE app = '{name}' AND finished IS NOT NULL)"
            ),
        ] {
            assert!(site.is(&sql), "{sql}");
        }
        assert!(self.read(&format!("{name}_installed")).starts_with('x'), "after_install ran");
    }

    /// A ready web pod with these apps.
    #[track_caller]
    pub fn web_with(&self, apps: &[&MadeApp]) -> Web {
        Web::ready(self.with("web", apps))
    }
}
