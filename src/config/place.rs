//! The bench, the site, and the settings in the bench's own files.

use std::path::{Path, PathBuf};

use super::Needs;
use super::bench_files::BenchFiles;
use super::common_keys::{self, GivenKeys};
use super::login_signs;
use super::reader::Reader;
use super::value::{absolute_path, parse_site};
use crate::bench::Bench;

pub struct Place {
    pub bench: Option<PathBuf>,
    pub site: Option<String>,
    pub files: BenchFiles,
    pub common_keys: Option<GivenKeys>,
}

impl Place {
    pub fn bench_folder(&self) -> Bench {
        Bench::new(self.bench.clone().unwrap_or_default())
    }
}

pub fn read(reader: &mut Reader<'_>, needs: Needs) -> Place {
    let bench = read_bench(reader, needs.bench);
    let sites = bench.clone().unwrap_or_default().join("sites");
    let site = read_site(reader, needs.site, &sites);
    let common_keys = common_keys::read(reader);
    let files = BenchFiles::read(reader, &sites, site.as_deref()).with(common_keys.as_ref());
    Place { bench, site, files, common_keys }
}

/// CAULDRON_BENCH. A folder that is no bench is a problem if the bench is needed.
pub fn read_bench(reader: &mut Reader<'_>, needed: bool) -> Option<PathBuf> {
    let given = reader.given_or("CAULDRON_BENCH", None, Some("/home/frappe/frappe-bench"));
    let source = given.as_ref().map(|given| given.source.clone());
    let bench = reader.parsed("CAULDRON_BENCH", given, absolute_path, "write an absolute path")?;
    let missing =
        ["apps/frappe", "env/bin/python", "sites"].into_iter().find(|part| !bench.join(part).exists());
    if let Some(part) = missing.filter(|_| needed) {
        let shown = bench.display().to_string();
        let shown = if login_signs::may_contain_login(&shown) { "the folder" } else { &shown };
        let cause = format!("{shown} is not a bench: it has no {part}");
        reader.problem("CAULDRON_BENCH", source, cause, "name the folder that contains apps, env and sites");
    }
    Some(bench)
}

/// SITE_NAME, else the bench's default site for a command that needs a site, as Frappe's own commands do.
fn read_site(reader: &mut Reader<'_>, needed: bool, sites: &Path) -> Option<String> {
    let default_site = needed.then(|| BenchFiles::default_site(sites)).flatten();
    let given = reader.given_or("SITE_NAME", default_site, None);
    if needed && given.is_none() {
        let hint = "set SITE_NAME to the site's name, such as erp.example.com";
        reader.problem("SITE_NAME", None, "not set", hint);
    }
    reader.parsed("SITE_NAME", given, parse_site, "write a host name, such as erp.example.com")
}
