//! One who has only the pages of docs/, and follows their blocks in a shell (shell.rs): what is to be filled in is filled in.

use std::fs;
use std::net::SocketAddr;
use std::process::Output;
use std::time::Duration;

use crate::cluster::Cluster;
use crate::installation::{Installation, SITE};
use crate::podman::repository;
use crate::shell::Shell;
use crate::support::http;
use crate::support::wait::eventually;

/// For a creation, a migration or a restore.
pub const LONG: Duration = Duration::from_secs(180);
const SAVED: &str = "of-the-mail-account";

/// The blocks of shell under a heading of a page.
pub fn blocks(page: &str, heading: &str) -> Vec<String> {
    fenced(page, heading, "sh")
}

/// The first block of values there.
#[track_caller]
pub fn values(page: &str, heading: &str) -> String {
    fenced(page, heading, "yaml").into_iter().next().expect("a block of values")
}

fn fenced(page: &str, heading: &str, language: &str) -> Vec<String> {
    let text = fs::read_to_string(repository().join("docs").join(page)).expect("a page");
    let chapter =
        text.split(&format!("# {heading}\n")).nth(1).unwrap_or_else(|| panic!("no heading {heading}"));
    let chapter = chapter.split("\n#").next().expect("a chapter");
    let begins = format!("```{language}\n");
    chapter.split(&begins).skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
}

/// The lines of a block from one to another: where the page offers a choice.
pub fn lines(block: &str, wanted: impl Fn(&str) -> bool) -> String {
    block.lines().filter(|line| wanted(line)).map(|line| format!("{line}\n")).collect()
}

/// Between a text's marks.
#[track_caller]
pub fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let rest = text.split(begin).nth(1).unwrap_or_else(|| panic!("no `{begin}` in {text}"));
    rest.split(end).next().expect("a part")
}

/// The reader, before an installation.
pub struct Reader {
    pub cluster: Cluster,
    pub shell: Shell,
    /// Values files, which later revisions read again.
    values: tempfile::TempDir,
}

impl Reader {
    pub fn new(installation: Installation) -> Self {
        let cluster = Cluster::new(installation);
        let shell = Shell::new(&cluster);
        Self { cluster, shell, values: tempfile::tempdir().expect("a folder") }
    }

    /// A values file with this text.
    pub fn values(&self, name: &str, text: &str) -> String {
        let path = self.values.path().join(name);
        fs::write(&path, text).expect("values");
        path.display().to_string()
    }

    /// Runs a block with what the page says that `$X`, `$R` and `$FORCE` stand for, and with `filled` in place of what the reader fills in.
    #[track_caller]
    pub fn follows(&self, block: &str, filled: &[(&str, &str)], input: &str) -> String {
        let ended = self.runs(block, filled, input);
        let told = String::from_utf8_lossy(&ended.stderr);
        let out = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success(), "{block}\n{out}\n{told}\n{}", self.log("bootstrap"));
        out.into_owned()
    }

    fn runs(&self, block: &str, filled: &[(&str, &str)], input: &str) -> Output {
        let block = block.replace("erp.example.com", SITE);
        let block = filled.iter().fold(block, |block, (gap, text)| block.replace(gap, text));
        let script = format!(
            "X='kubectl -n cauldron exec deploy/erp-cauldron-frappe-web --'\nR='kubectl -n cauldron exec -it erp-restore --'\n\
             FORCE='--server-side=true --force-conflicts'\n{block}"
        );
        self.shell.run(&script, input)
    }

    /// A control: a block of a page that is wrong fails.
    #[track_caller]
    pub fn notices(&self, block: &str, filled: &[(&str, &str)], input: &str) {
        let ended = self.runs(block, filled, input);
        assert!(!ended.status.success(), "{block} ends well: {}", String::from_utf8_lossy(&ended.stdout));
    }

    #[track_caller]
    pub fn says(&self, script: &str) -> String {
        self.follows(script, &[], "").trim().to_owned()
    }

    /// How many pods a role has.
    pub fn pods_of(&self, role: &str) -> usize {
        let owner = format!("erp-cauldron-frappe-{role}");
        self.cluster.state().pods.iter().filter(|pod| pod.owner == owner).count()
    }

    pub fn log(&self, role: &str) -> String {
        let state = self.cluster.state();
        let labels = format!("app.kubernetes.io/component={role}");
        state.selected(&labels).map(|pod| pod.played.log()).collect()
    }

    pub fn sql(&self, database: &str, statement: &str) -> String {
        self.cluster.state().installation.servers.sql(database, statement)
    }

    pub fn web(&self) -> Option<SocketAddr> {
        let state = self.cluster.state();
        state
            .selected("app.kubernetes.io/component=web")
            .find(|pod| pod.runs())
            .map(|pod| pod.played.address(8000))
    }

    /// What a method of the site answers: status and text. 0 without a pod that listens.
    pub fn asks(&self, request: &str) -> (u16, String) {
        let Some(web) = self.web() else { return (0, String::new()) };
        let path = format!("/api/method/frappe.sample.{request}");
        let answer = http::get_at(web, SITE, &path, Duration::from_secs(10));
        answer.map_or((0, String::new()), |answer| (answer.status, answer.body))
    }

    #[track_caller]
    pub fn keeps_a_secret(&self) {
        let (web, path) = (self.web().expect("a web pod"), "/api/method/frappe.sample.keep_secret");
        let form = [("name", "mail"), ("value", SAVED)];
        let answer = http::post_at(web, SITE, path, &form, Duration::from_secs(10)).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// The site is served, and what it had saved encrypted can be read.
    #[track_caller]
    pub fn has_its_key(&self) {
        let told = eventually(LONG, "the site is served", || {
            let (status, text) = self.asks("tell_secret?name=mail");
            (![0, 502, 503].contains(&status)).then_some(text)
        });
        assert!(told.contains(SAVED), "{told}");
    }

    /// Stops everything as the page does.
    #[track_caller]
    pub fn stops(&self) {
        self.follows(&blocks("operations.md", "Restore when no pod runs")[0], &[], "");
    }

    /// A new disk in place of the volume.
    pub fn loses_the_volume(&self) {
        let volume = self.cluster.state().installation.volume();
        for entry in
            fs::read_dir(volume).expect("the volume").flatten().filter(|e| e.file_name() != "lost+found")
        {
            let path = entry.path();
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("it is lost");
        }
    }

    pub fn common_config(&self) -> serde_json::Value {
        self.config("common_site_config.json")
    }

    pub fn site_config(&self) -> serde_json::Value {
        self.config(&format!("{SITE}/site_config.json"))
    }

    fn config(&self, path: &str) -> serde_json::Value {
        let path = self.cluster.state().installation.volume().join(path);
        serde_json::from_str(&fs::read_to_string(path).expect("the file")).expect("JSON")
    }

    /// A job from a web pod leaves its mark on the volume.
    #[track_caller]
    pub fn does_a_job(&self) {
        let mark = self.cluster.state().installation.volume().join("mark");
        let _ = fs::remove_file(&mark);
        let path = "/home/frappe/frappe-bench/sites/mark";
        let (status, text) = self.asks(&format!("queue?queue=short&path={path}"));
        assert_eq!(status, 200, "{text}");
        eventually(LONG, "a job is done", || mark.exists().then_some(()));
    }
}
