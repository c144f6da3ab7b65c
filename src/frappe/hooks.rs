//! Parses an app's hooks.py without running it.

use std::path::Path;

/// The names in `required_apps`, which is a list of literals in every app that has one, `["frappe/erpnext", …]`.
/// Frappe's name is the part after the last `/` and before `@` or `.git` (frappe.installer.parse_app_name).
/// Without frappe, which is always installed.
pub fn required_apps(package: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(package.join("hooks.py")).unwrap_or_default();
    parse_required_apps(&text)
}

fn parse_required_apps(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(|line| line.split('#').next().unwrap_or_default()).collect();
    let text = lines.join("\n");
    let Some(list) = text
        .split("\nrequired_apps")
        .nth(1)
        .or_else(|| text.strip_prefix("required_apps"))
        .and_then(|rest| rest.trim_start().strip_prefix('='))
        .and_then(|rest| rest.trim_start().strip_prefix(['[', '(']))
        .and_then(|rest| rest.split([']', ')']).next())
    else {
        return Vec::new();
    };
    list.split(',')
        .map(|item| item.trim().trim_matches(['"', '\'']))
        .map(|item| item.trim_end_matches('/').rsplit('/').next().unwrap_or_default())
        .map(|item| item.split('@').next().unwrap_or_default().trim_end_matches(".git"))
        .filter(|item| !item.is_empty() && *item != "frappe")
        .map(str::to_string)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_apps_is_parsed_in_all_forms_that_apps_use() {
        for (text, apps) in [
            ("required_apps = [\"frappe/erpnext\"]", vec!["erpnext"]),
            (
                "x = 1\nrequired_apps = [\n\t'erpnext', # the books\n\t'https://h/o/hrms.git',\n]\n",
                vec!["erpnext", "hrms"],
            ),
            ("a = 1\nrequired_apps = ('frappe', 'frappe/payments@version-15')", vec!["payments"]),
            ("# required_apps = [\"erpnext\"]\n", vec![]),
            ("required_apps = []", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(parse_required_apps(text), apps, "{text}");
        }
    }
}
