//! patches.txt, parsed as Frappe parses it (frappe/modules/patch_handler.py), and the Patch Log.

use std::collections::BTreeSet;
use std::path::Path;

use tokio_postgres::{Client, Error};

/// The patches in the Patch Log. A skipped patch is not included: it is run again. Versions without that column skip
/// none.
pub async fn logged(client: &Client) -> Result<BTreeSet<String>, Error> {
    let sql = r#"SELECT patch FROM public."tabPatch Log" AS log
                 WHERE patch IS NOT NULL AND coalesce(to_jsonb(log) ->> 'skipped', '0') = '0'"#;
    Ok(client.query(sql, &[]).await?.iter().map(|row| row.get("patch")).collect())
}

/// The patches of an app in the order in which migrate runs them; empty without a file.
pub fn read(package: &Path) -> Vec<String> {
    std::fs::read_to_string(package.join("patches.txt")).map(|text| parse(&text)).unwrap_or_default()
}

/// Parses an INI file with pre_model_sync and post_model_sync, or the old format with one patch per line. Python's
/// configparser takes whole lines as keys, so the same patch with another comment is another patch.
fn parse(text: &str) -> Vec<String> {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    if !lines().any(|line| line.starts_with('[')) {
        return lines().filter(|line| !line.starts_with('#')).map(str::to_string).collect();
    }
    let in_section = |wanted: &str| {
        let mut section = "";
        lines()
            .filter(|line| !line.starts_with(['#', ';']))
            .filter_map(move |line| {
                if let Some(name) = line.strip_prefix('[') {
                    section = name.trim_end_matches(']');
                    return None;
                }
                Some((section, line))
            })
            .filter(move |(section, _)| *section == wanted)
            .map(|(_, line)| line.to_string())
            .collect::<Vec<_>>()
    };
    [in_section("pre_model_sync"), in_section("post_model_sync")].concat()
}

/// The name of a patch in the log, without `finally:` (patch_handler.executed).
pub fn logged_as(patch: &str) -> String {
    patch.replace("finally:", "")
}

/// The module that a line runs; None for `execute:`.
pub fn module(patch: &str) -> Option<&str> {
    let patch = patch.strip_prefix("finally:").unwrap_or(patch);
    if patch.starts_with("execute:") { None } else { patch.split_whitespace().next() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_of_the_file_are_parsed() {
        let new =
            "[pre_model_sync]\na.one\n# a.old\n\n[post_model_sync]\na.two #2024\nexecute:frappe.db.x()\n";
        assert_eq!(parse(new), ["a.one", "a.two #2024", "execute:frappe.db.x()"]);
        assert_eq!(parse("a.one\n#a.old\nfinally:a.two\n"), ["a.one", "finally:a.two"]);
        assert_eq!(parse(""), Vec::<String>::new());
        let late = "[post_model_sync]\na.two\n[pre_model_sync]\na.one\n";
        assert_eq!(parse(late), ["a.one", "a.two"], "the order in which they run");
    }

    #[test]
    fn a_line_names_its_module() {
        assert_eq!(module("a.two #2024"), Some("a.two"));
        assert_eq!(module("finally:a.two"), Some("a.two"));
        assert_eq!(module("execute:frappe.db.x()"), None);
        assert_eq!(logged_as("finally:a.two"), "a.two");
    }
}
