//! Holds docs/refusals.md against the refusals of the source, and each of its sections against one shape.

use super::read;
use crate::outcome::refusal::Refusal;

/// Refusals whose heading and meaning docs/refusals.md does not have, and headings of refusals that do not exist.
fn undocumented_refusals(page: &str) -> Vec<String> {
    let has =
        |refusal: &&Refusal| page.contains(&format!("\n## {}\n{}\n", refusal.as_str(), refusal.meaning()));
    let absent =
        Refusal::ALL.iter().filter(|refusal| !has(refusal)).map(|refusal| refusal.as_str().to_string());
    let headings = page.lines().filter_map(|line| line.strip_prefix("## "));
    let unknown = headings.filter(|heading| !Refusal::ALL.iter().any(|refusal| refusal.as_str() == *heading));
    absent.chain(unknown.map(str::to_string)).collect()
}

#[test]
fn every_refusal_has_its_heading() {
    let page = read("docs/refusals.md");
    assert_eq!(undocumented_refusals(&page), [""; 0]);
    let changed = page.replace("## volume-lost\n", "## volume-lots\n");
    assert_eq!(undocumented_refusals(&changed), ["volume-lost", "volume-lots"]);
}

/// Refusals whose section is not the meaning, what to do, and the exit code, each in one paragraph.
fn misshapen_refusals(page: &str) -> Vec<String> {
    let sections = page.split("\n## ").skip(1).filter_map(|section| section.split_once('\n'));
    let has_shape = |text: &str| {
        let paragraphs: Vec<&str> = text.trim_end().split("\n\n").collect();
        paragraphs.len() == 3 && paragraphs[2].starts_with("Exit code ") && !paragraphs[2].contains('\n')
    };
    sections.filter(|(_, text)| !has_shape(text)).map(|(name, _)| name.to_string()).collect()
}

#[test]
fn every_refusal_says_what_to_do_and_its_exit_code() {
    let page = read("docs/refusals.md");
    assert_eq!(misshapen_refusals(&page), [""; 0]);
    let without = page.replacen("\n\nExit code 78.\n\n## app-conflict", "\n## app-conflict", 1);
    assert_eq!(misshapen_refusals(&without), ["admin-password-missing"]);
    let twice = page.replacen(
        "\n\nExit code 78.\n\n## app-cycle",
        "\n\nExit code 78.\nExit code 78.\n\n## app-cycle",
        1,
    );
    assert_eq!(misshapen_refusals(&twice), ["app-conflict"]);
}
