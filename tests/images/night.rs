//! docs/3am.md: every command of its tables is followed, those of a healthy site here, the others in the runbook of their state.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;

use crate::installation::SITE;
use crate::podman::{podman, repository};
use crate::reader::{LONG, Reader};
use crate::support::wait::eventually;

/// What only looks, with what it prints.
const LOOKS: [(&str, &str); 21] = [
    (
        "kubectl -n $NS get deploy,pods -l app.kubernetes.io/instance=$R; kubectl -n $NS get events --sort-by=.lastTimestamp",
        "erp-cauldron-frappe-web",
    ),
    ("cf $(pod web) doctor", ""),
    ("cf web doctor", ""),
    ("log backup", "backup"),
    ("log verify", "passed"),
    ("log bootstrap", "config.common_site_config_written"),
    ("log web", "web"),
    ("log worker", "worker"),
    ("cf $(pod web) plan", "continue"),
    ("cf web status", "running"),
    ("cf worker status --format json", "parked_jobs"),
    ("cf worker probe ready", "ok"),
    ("cf scheduler status --format json", "\"scheduler\""),
    ("cf scheduler doctor", ""),
    ("cf socketio probe ready", "ok"),
    ("kubectl -n $NS get pod POD -o wide", "erp-cauldron-frappe-web"),
    ("kubectl -n $NS describe pod POD", "erp-cauldron-frappe-web"),
    ("kubectl -n $NS get secret,certificate", ""),
    ("helm -n $NS get manifest $R", "kind: Deployment"),
    ("kubectl -n $NS exec deploy/$F-web -- df -h /run/cauldron", "/run/cauldron"),
    ("cf web support-bundle > bundle.txt", ""),
];

/// What changes the release, and leaves a healthy site healthy.
const CHANGES: [&str; 12] = [
    "kubectl -n $NS create job $R-again --from=cronjob/$F-backup",
    "cf $(pod web) exec -- bench --site SITE migrate",
    "cf web exec -- bench --site SITE migrate",
    "up --set frappe.worker.maxMemory=768Mi",
    "up --set frappe.resources.web.limits.memory=2Gi",
    "up --set frappe.persistence.existingClaim=CLAIM",
    "up --set frappe.db.host=HOST,frappe.db.name=NAME",
    "up --set frappe.web.maxBodySize=100m",
    "up --set-string 'frappe.web.hosts=erp.example.com=SITE'",
    "kubectl -n $NS delete job -l $L=bootstrap; up",
    "kubectl -n $NS scale deploy/$F-worker --replicas=3",
    "kubectl -n $NS scale deploy/$F-web --replicas=4",
];

/// The page, and which of its commands nobody has followed yet.
pub struct Night {
    prelude: String,
    left: RefCell<BTreeSet<String>>,
}

impl Night {
    pub fn new() -> Self {
        let page = fs::read_to_string(repository().join("docs/3am.md")).expect("the page");
        let prelude = page.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
        let rows = page.lines().filter(|line| line.starts_with("| "));
        let spans = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
        let programs = ["kubectl ", "helm -n", "cf ", "log ", "up "];
        let commands = spans.filter(|span| programs.iter().any(|program| span.starts_with(program)));
        Self {
            prelude: prelude.expect("a block").to_owned(),
            left: RefCell::new(commands.map(str::to_owned).collect()),
        }
    }

    /// Follows a command of the page; one that is not there fails.
    #[track_caller]
    pub fn follows(&self, reader: &Reader, command: &str, filled: &[(&str, &str)]) -> String {
        let known = self.left.borrow_mut().remove(command);
        assert!(known, "docs/3am.md has no `{command}` (any more)");
        reader.follows(&format!("{}{command}\n", self.prelude), filled, "")
    }

    /// The same for a command that fails as long as the cause is there.
    #[track_caller]
    pub fn fails(&self, reader: &Reader, command: &str) {
        let known = self.left.borrow_mut().remove(command);
        assert!(known, "docs/3am.md has no `{command}` (any more)");
        self.notices(reader, command);
    }

    /// A control: a wrong command fails.
    #[track_caller]
    pub fn notices(&self, reader: &Reader, command: &str) {
        reader.notices(&format!("{}{command}\n", self.prelude), &[], "");
    }

    /// No row was left out.
    #[track_caller]
    pub fn was_followed(&self) {
        assert_eq!(*self.left.borrow(), BTreeSet::new(), "rows of docs/3am.md that nobody follows");
    }

    /// The rows for a site that is served: each command runs, and the site stays as it is.
    pub fn of_a_healthy_site(&self, reader: &Reader) {
        let folder = tempfile::tempdir().expect("a folder");
        let bundle = folder.path().join("bundle.txt").display().to_string();
        let web = || {
            let state = reader.cluster.state();
            let pod = state.selected("app.kubernetes.io/component=web").next().expect("a web pod");
            (pod.played.pod.clone(), pod.played.container.clone())
        };
        for (command, printed) in LOOKS {
            let said = self.follows(reader, command, &[("POD", &web().0), ("bundle.txt", &bundle)]);
            assert!(said.contains(printed), "{command}: {said}");
        }
        assert!(fs::read_to_string(&bundle).expect("the bundle").contains(SITE));
        for wrong in ["cf web doktor", "cf webb status", "up --sett a=b", "kubectl -n $NS get pod POD"] {
            self.notices(reader, wrong);
        }
        podman(&["kill", "--signal=KILL", &web().1]);
        let again =
            || reader.cluster.state().selected("app.kubernetes.io/component=web").any(|pod| pod.restarts > 0);
        eventually(LONG, "it is started again", || again().then_some(()));
        assert!(self.follows(reader, "log web --previous", &[]).contains("web"));
        let filled =
            [("CLAIM", "erp-cauldron-frappe-data"), ("HOST", "postgres"), ("NAME", "frappe"), ("SITE", SITE)];
        for command in CHANGES {
            self.follows(reader, command, &filled);
        }
        let ready = |role: &str, wanted: usize| {
            let is_new = reader.cluster.state().rolled_out(&format!("erp-cauldron-frappe-{role}"));
            is_new && reader.pods_of(role) == wanted
        };
        eventually(LONG, "the pods that were asked for", || {
            (ready("web", 4) && ready("worker", 3)).then_some(())
        });
        reader.says("kubectl -n cauldron wait --for=condition=complete job/erp-again --timeout=300s");
        reader.has_its_key();
        reader.does_a_job();
        // The page: the next upgrade resets it.
        let values = "frappe.replicas.web=1,frappe.replicas.worker=1,frappe.worker.pools=";
        // Helm 4 refuses it without the prelude's words.
        reader.notices(
            &format!("helm upgrade erp charts/cauldron-frappe -n cauldron --reuse-values --set {values}"),
            &[],
            "",
        );
        reader.says(&format!("{}up --set {values}", self.prelude));
        eventually(LONG, "one pod of each", || (ready("web", 1) && ready("worker", 1)).then_some(()));
    }
}
