//! Which bench id the queues have, and why (docs/roles.md#bench-id).

use super::configuration::Inputs;
use super::finding::Finding;
use super::id::Id;
use crate::config::bench_id::WantedBenchId;
use crate::frappe::bench_id::BenchIds;
use crate::frappe::sites;

/// The check, which reads the volume in its own thread.
pub fn check(inputs: &Inputs) -> impl FnOnce() -> Finding + Send + 'static {
    let (config, bench) = (inputs.config.clone(), inputs.bench.clone());
    move || evaluate(&config.bench_id, &BenchIds::of(&config), !sites::has_any(&bench))
}

fn evaluate(wanted: &WantedBenchId, ids: &BenchIds, is_new: bool) -> Finding {
    let id = Id::BenchIdSource;
    let former = match &ids.former[..] {
        [] => String::new(),
        former => format!("; before: {}", former.join(", ")),
    };
    let source = if ids.is_written { "bench_id of common_site_config.json" } else { "the bench's path" };
    match wanted {
        WantedBenchId { always: Some(always), .. } if *always == ids.current => {
            Finding::ok(id, always, format!("CAULDRON_BENCH_ID{former}"))
        }
        WantedBenchId { always: Some(always), .. } if is_new => {
            Finding::ok(id, always, "CAULDRON_BENCH_ID, which the leader writes before it creates the site")
        }
        WantedBenchId { always: Some(always), .. } => Finding::warning(
            id,
            &ids.current,
            format!("{source}, and CAULDRON_BENCH_ID is {always}{former}"),
            "start a leader, which writes CAULDRON_BENCH_ID; until then, pods that follow are unready",
        ),
        WantedBenchId { if_new, .. } if is_new && !ids.is_written => {
            let new = if_new
                .as_deref()
                .map_or("a random one".to_string(), |id| format!("{id} (CAULDRON_BENCH_ID_IF_NEW)"));
            Finding::ok(id, "none yet", format!("a new installation gets {new}"))
        }
        WantedBenchId { .. } => Finding::ok(id, &ids.current, format!("{source}{former}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn the_source_of_the_id_is_shown() {
        let ids = |current: &str, is_written, former: &[&str]| BenchIds {
            current: current.into(),
            is_written,
            former: former.iter().map(ToString::to_string).collect(),
        };
        let wanted = |always: Option<&str>, if_new: Option<&str>| WantedBenchId {
            always: always.map(Into::into),
            if_new: if_new.map(Into::into),
        };
        let found = |wanted, ids: BenchIds, is_new| {
            let finding = evaluate(&wanted, &ids, is_new);
            (finding.severity, finding.subject, finding.detail)
        };
        let ok = |subject: &str, detail: &str| (Severity::Ok, subject.into(), detail.into());
        let file = "bench_id of common_site_config.json";
        assert_eq!(found(wanted(None, Some("n")), ids("p", false, &[]), false), ok("p", "the bench's path"));
        assert_eq!(found(wanted(None, Some("n")), ids("a", true, &[]), true), ok("a", file));
        let former = found(wanted(Some("b"), None), ids("b", true, &["p", "a"]), false);
        assert_eq!(former, ok("b", "CAULDRON_BENCH_ID; before: p, a"));
        let new = |if_new| found(wanted(None, if_new), ids("p", false, &[]), true);
        assert_eq!(new(None), ok("none yet", "a new installation gets a random one"));
        assert_eq!(new(Some("n")), ok("none yet", "a new installation gets n (CAULDRON_BENCH_ID_IF_NEW)"));
        let (severity, subject, detail) = found(wanted(Some("b"), None), ids("p", false, &[]), false);
        assert_eq!((severity, subject.as_str()), (Severity::Warning, "p"));
        assert_eq!(detail, "the bench's path, and CAULDRON_BENCH_ID is b");
        assert_eq!(found(wanted(Some("b"), None), ids("p", false, &[]), true).0, Severity::Ok);
    }
}
