//! The content of this pod's `assets` folder, and its assets.json.
//!
//! Both are made from the pod's own code, never from the volume, so that old files on a volume can neither hide a new
//! image's assets nor remain in use. esbuild names its files `<name>.bundle.<digest>.js` in an app's `public/dist`, and
//! assets.json contains only those names (observed on Frappe 15).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Map, Value};

use super::bench_overlay::BenchOverlay;
use crate::apps::AppCode;
use crate::apps::bundle::Bundle;
use crate::apps::shared_apps;
use crate::bench::json_file;
use crate::bench::tree::Tree;

/// The folders of dist, and Frappe's prefix for the names of the files in each.
const KINDS: [(&str, &str); 3] = [("js", ""), ("css", ""), ("css-rtl", RTL)];
const RTL: &str = "rtl_";

/// The assets of every app that can be imported here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assets {
    apps: BTreeMap<String, AppAssets>,
    /// `desk.bundle.js` → `/assets/frappe/dist/js/desk.bundle.4MZKMK6W.js`.
    names: BTreeMap<String, String>,
    /// The other entries of the image's `assets` folder, such as compiled translations.
    others: BTreeMap<String, PathBuf>,
}

/// The folders with one app's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct AppAssets {
    public: Option<PathBuf>,
    /// The folder of built files, if it is outside of `public`.
    dist: Option<PathBuf>,
}

impl Assets {
    pub fn of(overlay: &BenchOverlay, apps: &[String]) -> Self {
        let built = overlay.bench().assets();
        let built_names = names_of(&built);
        let mut assets = Self::default();
        for app in apps {
            let mut place = AppAssets::of(overlay, app);
            let dist = place.dist();
            let mut names = dist.as_deref().map(|dist| scan(app, dist, &built_names)).unwrap_or_default();
            let old = built.join(app);
            if names.is_empty() && place.dist.is_none() && old.join("dist").is_dir() {
                // The image's build put the files into sites/assets itself.
                let prefix = format!("/assets/{app}/");
                names = built_names.clone();
                names.retain(|_, path| path.starts_with(&prefix));
                place = AppAssets { public: Some(old), dist: None };
            }
            assets.names.extend(names);
            assets.apps.insert(app.clone(), place);
        }
        for entry in fs::read_dir(&built).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_json = Path::new(&name).extension().is_some_and(|extension| extension == "json");
            if !is_json && !assets.apps.contains_key(&name) && entry.path().exists() {
                assets.others.insert(name, entry.path());
            }
        }
        assets
    }

    pub fn names(&self) -> &BTreeMap<String, String> {
        &self.names
    }

    /// The content of the overlay's `assets` folder.
    pub fn tree(&self) -> Tree {
        let mut tree = Tree::default();
        for (name, path) in &self.others {
            tree.link(name, path);
        }
        for (app, place) in &self.apps {
            match (&place.public, &place.dist) {
                (Some(public), None) => drop(tree.link(app, public)),
                (None, None) => {}
                (public, Some(dist)) => {
                    let mut folder = Tree::default();
                    let entries = public.iter().flat_map(|public| fs::read_dir(public).into_iter().flatten());
                    for entry in entries.flatten() {
                        folder.link(entry.file_name(), entry.path());
                    }
                    folder.link("dist", dist);
                    tree.folder(app, folder);
                }
            }
        }
        let (rtl, plain): (Map<_, _>, Map<_, _>) = self
            .names
            .iter()
            .map(|(name, path)| (name.clone(), Value::from(path.as_str())))
            .partition(|(name, _)| name.starts_with(RTL));
        let text = |names: Map<String, Value>| serde_json::to_vec_pretty(&names).expect("names are JSON");
        tree.file("assets.json", text(plain)).file("assets-rtl.json", text(rtl));
        tree
    }

    /// The file in this pod's own code for a path of assets.json.
    pub fn file(&self, path: &str) -> Option<PathBuf> {
        let (app, below) = path.strip_prefix("/assets/")?.split_once('/')?;
        let place = self.apps.get(app)?;
        let built = below.strip_prefix("dist/").and_then(|below| Some(place.dist.as_ref()?.join(below)));
        built.or_else(|| Some(place.public.as_ref()?.join(below)))
    }
}

impl AppAssets {
    fn of(overlay: &BenchOverlay, app: &str) -> Self {
        let Some(package) = overlay.package(app) else { return Self::default() };
        let public = Some(package.join("public")).filter(|public| public.is_dir());
        let dist = bundle_of(overlay, app, &package)
            .and_then(|bundle| bundle.assets())
            .map(|assets| assets.join("dist"))
            .filter(|dist| dist.is_dir());
        Self { public, dist }
    }

    fn dist(&self) -> Option<PathBuf> {
        self.dist.clone().or_else(|| Some(self.public.as_ref()?.join("dist")))
    }
}

/// The bundle that contains the package: one of this pod's, or one that another pod installed.
fn bundle_of(overlay: &BenchOverlay, app: &str, package: &Path) -> Option<Bundle> {
    let ours = overlay.code().iter().find_map(|code| match code {
        AppCode::Bundle(bundle) if bundle.package() == package => Some(bundle.clone()),
        _ => None,
    });
    let is_live = || package.starts_with(shared_apps::folder(overlay.bench()));
    ours.or_else(|| if is_live() { shared_apps::bundle(overlay.bench(), app) } else { None })
}

/// The content of both maps of an assets folder, merged as Frappe does.
fn names_of(assets: &Path) -> BTreeMap<String, String> {
    ["assets.json", "assets-rtl.json"]
        .iter()
        .filter_map(|name| json_file::read_object(&assets.join(name)).ok()?.ok())
        .flatten()
        .filter_map(|(name, path)| Some((name, path.as_str()?.to_string())))
        .collect()
}

/// The names of the files in an app's dist. If there are several builds of one name, the one in `preferred` is used, or
/// else the newest.
fn scan(app: &str, dist: &Path, preferred: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, (bool, SystemTime, String)> = BTreeMap::new();
    for (kind, prefix) in KINDS {
        for entry in fs::read_dir(dist.join(kind)).into_iter().flatten().flatten() {
            let Ok(file) = entry.file_name().into_string() else { continue };
            let Some(name) = without_digest(&file) else { continue };
            let name = format!("{prefix}{name}");
            let path = format!("/assets/{app}/dist/{kind}/{file}");
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let candidate =
                (preferred.get(&name) == Some(&path), modified.unwrap_or(SystemTime::UNIX_EPOCH), path);
            let best = found.entry(name).or_insert_with(|| candidate.clone());
            if candidate > *best {
                *best = candidate;
            }
        }
    }
    found.into_iter().map(|(name, (_, _, path))| (name, path)).collect()
}

/// `desk.bundle.4MZKMK6W.js` becomes `desk.bundle.js`; None for files without a digest.
fn without_digest(file: &str) -> Option<String> {
    let (rest, extension) = file.rsplit_once('.')?;
    let (name, digest) = rest.rsplit_once('.')?;
    let is_code = extension == "js" || extension == "css";
    (is_code && is_digest(digest)).then(|| format!("{name}.{extension}"))
}

/// True for a digest of esbuild: eight characters of base 32.
fn is_digest(part: &str) -> bool {
    part.len() == 8 && part.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_in_assets_json() {
        assert_eq!(without_digest("desk.bundle.4MZKMK6W.js").as_deref(), Some("desk.bundle.js"));
        for other in ["desk.bundle.4MZKMK6W.js.map", "desk.bundle.js", "x.4MZKMK61.css", "logo.svg"] {
            assert_eq!(without_digest(other), None, "{other}");
        }
    }

    #[test]
    fn the_preferred_one_of_two_builds_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let dist = folder.path();
        for kind in ["js", "css-rtl"] {
            fs::create_dir(dist.join(kind)).unwrap();
        }
        for file in ["js/a.bundle.AAAAAAAA.js", "js/a.bundle.BBBBBBBB.js", "css-rtl/w.bundle.CCCCCCCC.css"] {
            fs::write(dist.join(file), "").unwrap();
        }
        let named = |digest: &str| format!("/assets/x/dist/js/a.bundle.{digest}.js");
        for digest in ["AAAAAAAA", "BBBBBBBB"] {
            let preferred = BTreeMap::from([("a.bundle.js".to_string(), named(digest))]);
            let names = scan("x", dist, &preferred);
            assert_eq!(names["a.bundle.js"], named(digest));
            assert_eq!(names["rtl_w.bundle.css"], "/assets/x/dist/css-rtl/w.bundle.CCCCCCCC.css");
        }
    }
}
