//! The sites of a bench: the folders in `sites/` that contain a site_config.json.

use std::fs;
use std::path::Path;

use crate::bench::Bench;
use crate::config::value::parse_site;

/// A site of the bench that is not SITE_NAME.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherSite {
    pub name: String,
    /// True for a link to the folder of SITE_NAME: another name of the same site.
    pub is_alias: bool,
}

/// All sites except `site`, sorted by name. Empty if `sites/` cannot be read.
pub fn others(bench: &Bench, site: &str) -> Vec<OtherSite> {
    let own = fs::canonicalize(bench.site(site)).ok();
    let entries = fs::read_dir(bench.sites()).into_iter().flatten().flatten();
    let mut sites: Vec<OtherSite> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name != site && parse_site(name).is_ok() && is_site(&bench.site(name)))
        .map(|name| {
            let is_alias = own.is_some() && fs::canonicalize(bench.site(&name)).ok() == own;
            OtherSite { name, is_alias }
        })
        .collect();
    sites.sort_by(|a, b| a.name.cmp(&b.name));
    sites
}

/// True if the bench has a site, or if `sites/` cannot be read.
pub fn has_any(bench: &Bench) -> bool {
    let Ok(entries) = fs::read_dir(bench.sites()) else { return true };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.into_iter().any(|name| parse_site(&name).is_ok() && is_site(&bench.site(&name)))
}

/// True if Frappe regards the folder as a site.
pub fn is_site(folder: &Path) -> bool {
    folder.join("site_config.json").exists()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn sites_are_folders_with_a_site_config() {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::new(folder.path());
        fs::create_dir_all(bench.site("assets")).unwrap();
        assert!(!has_any(&bench));
        for site in ["one.test", "two.test", "assets", ".cauldron"] {
            fs::create_dir_all(bench.site(site)).unwrap();
            fs::write(bench.site(site).join("site_config.json"), "{}").unwrap();
        }
        assert!(has_any(&bench) && has_any(&Bench::new("/nonexistent")));
        fs::create_dir(bench.site("half.test")).unwrap();
        fs::write(bench.sites().join("apps.txt"), "frappe").unwrap();
        symlink("one.test", bench.site("www.one.test")).unwrap();
        let site = |name: &str, is_alias| OtherSite { name: name.into(), is_alias };
        assert_eq!(others(&bench, "one.test"), [site("two.test", false), site("www.one.test", true)]);
        assert_eq!(others(&bench, "absent.test").len(), 3);
        assert!(others(&Bench::new("/nonexistent"), "one.test").is_empty());
    }
}
