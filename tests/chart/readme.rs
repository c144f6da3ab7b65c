//! The chart's README lists every value of values.yaml, with its default and its comment.

use serde_json::Value;

use super::helm::{chart, repository};

const BEGIN: &str = "<!-- values -->\n";
const END: &str = "<!-- end of values -->";

/// One key of values.yaml: its path, the lines above it, and whether keys follow below it.
struct Row {
    path: String,
    comment: String,
    is_group: bool,
}

/// The keys in their order. A list in several lines and a map in braces are values, not groups.
fn rows(text: &str) -> Vec<Row> {
    let (mut rows, mut comment): (Vec<Row>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut path: Vec<(usize, &str)> = Vec::new();
    for line in text.lines() {
        let (inner, indent) = (line.trim_start(), line.len() - line.trim_start().len());
        if let Some(words) = inner.strip_prefix("# ") {
            comment.push(words);
            continue;
        }
        if let Some((key, rest)) = inner.split_once(':').filter(|_| !inner.starts_with(['#', '-'])) {
            path.retain(|(outer, _)| *outer < indent);
            path.push((indent, key));
            let path: Vec<&str> = path.iter().map(|(_, key)| *key).collect();
            rows.push(Row { path: path.join("."), comment: comment.join(" "), is_group: rest.is_empty() });
        }
        comment.clear();
    }
    rows
}

/// The table of the README.
fn table(text: &str) -> String {
    let values: Value = serde_yaml_ng::from_str(text).expect("YAML");
    let mut table = "| value | default | |\n|---|---|---|\n".to_owned();
    for row in rows(text) {
        let found = row.path.split('.').try_fold(&values, |value, key| value.get(key));
        let Some(value) = found else { continue };
        let is_group = row.is_group && value.is_object();
        if is_group && row.comment.is_empty() {
            continue;
        }
        let default = match value {
            _ if is_group => String::new(),
            Value::String(text) if text.is_empty() => String::new(),
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        let comment = row.comment.replace('|', "\\|").replace('<', "&lt;");
        table += &format!("| `{}` | {default} | {comment} |\n", row.path);
    }
    table
}

/// `UPDATE_README=1 cargo test --test chart` writes it anew.
#[test]
fn every_value_is_in_the_readme() {
    let text = std::fs::read_to_string(chart().join("values.yaml")).expect("values.yaml");
    let path = repository().join("charts/cauldron-frappe/README.md");
    let page = std::fs::read_to_string(&path).expect("README.md");
    let (before, rest) = page.split_once(BEGIN).expect("the table");
    let (written, after) = rest.split_once(END).expect("the end of the table");
    let table = table(&text);
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).expect("README.md");
        return;
    }
    assert!(written == table, "it differs from values.yaml: UPDATE_README=1 cargo test --test chart readme");
}

#[test]
fn a_row_has_path_default_and_comment() {
    let text = "# Of all.\na:\n  # One.\n  # Two.\n  b: 5\n  c:\n    - x\n  d: {e: f}\ng:\n  h: \"\"\n";
    let wanted = "| `a` |  | Of all. |\n| `a.b` | `5` | One. Two. |\n| `a.c` | `[\"x\"]` |  |\n| `a.d` | `{\"e\":\"f\"}` |  |\n| `g.h` |  |  |\n";
    assert!(table(text).ends_with(wanted), "{}", table(text));
}
