//! The results of a drill: a line for each victim and step, and every failure.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::converge::Converged;
use crate::strike::Victim;

/// One site from its creation on: the kills, their steps, and the outcome.
pub struct Life {
    pub case: String,
    pub hits: Vec<(Victim, String)>,
    pub outcome: Result<Converged, String>,
}

/// Prints the table; fails with every failure in full.
pub fn conclude(title: &str, elapsed: Duration, lives: &[Life]) {
    println!("{}", table(title, elapsed, lives));
    let misses: Vec<String> = lives
        .iter()
        .filter_map(|life| Some(format!("{} {:?}: {}", life.case, life.hits, life.outcome.as_ref().err()?)))
        .collect();
    none_missed(title, lives.len(), &misses);
}

/// Fails if there are failures: first their summaries, then each with its logs.
pub fn none_missed(title: &str, cases: usize, misses: &[String]) {
    let heads: Vec<&str> = misses.iter().filter_map(|miss| miss.lines().next()).collect();
    assert!(
        misses.is_empty(),
        "{title}: {} of {cases} missed\n{}\n\n{}",
        misses.len(),
        heads.join("\n"),
        misses.join("\n\n")
    );
}

fn table(title: &str, elapsed: Duration, lives: &[Life]) -> String {
    let mut cells: BTreeMap<(String, String), Vec<&Life>> = BTreeMap::new();
    for life in lives {
        for (victim, step) in &life.hits {
            let victim = format!("{victim:?}").to_lowercase();
            for key in [(victim.clone(), step.clone()), (victim, " all".to_owned())] {
                cells.entry(key).or_default().push(life);
            }
        }
    }
    let hits: usize = lives.iter().map(|life| life.hits.len()).sum();
    let converged = lives.iter().filter(|life| life.outcome.is_ok()).count();
    let mut lines = vec![format!(
        "\ndrill: {title}: {hits} kills, {converged} of {} sites converged, {:.0} s",
        lives.len(),
        elapsed.as_secs_f64()
    )];
    lines.push(format!(
        "  {:<12}{:<26}{:>6}{:>8}{:>11}{:>10}{:>9}{:>8}",
        "victim", "after step", "kills", "misses", "tries mean", "tries max", "s mean", "s max"
    ));
    for ((victim, step), lives) in &cells {
        let good: Vec<Converged> =
            lives.iter().filter_map(|life| life.outcome.as_ref().ok().copied()).collect();
        let count = good.len().max(1) as f64;
        let seconds = |converged: &Converged| converged.elapsed.as_secs_f64();
        lines.push(format!(
            "  {victim:<12}{:<26}{:>6}{:>8}{:>11.2}{:>10}{:>9.1}{:>8.1}",
            step.trim_start(),
            lives.len(),
            lives.len() - good.len(),
            good.iter().map(|converged| converged.tries).sum::<usize>() as f64 / count,
            good.iter().map(|converged| converged.tries).max().unwrap_or_default(),
            good.iter().map(seconds).sum::<f64>() / count,
            good.iter().map(seconds).fold(0.0, f64::max),
        ));
    }
    lines.join("\n")
}
