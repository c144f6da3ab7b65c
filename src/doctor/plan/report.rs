//! The plan as text and as JSON.

use serde_json::{Value, json};

use super::Plan;
use crate::leader::planned_step::PlannedStep;
use crate::migrate::plan::MigrationPlan;

impl Plan {
    pub fn text(&self) -> String {
        let [database, folder, mark, action] = self.row;
        let mut text = format!(
            "site         {}\ndatabase     {} ({database})\nsite folder  {folder}\nour mark     {mark}\n\
             plan         {action}\n",
            self.site, self.database
        );
        if let Some(gate) = &self.gate {
            let (pod, database) = gate.fingerprints();
            let (relation, database) = (gate.relation().description(), database.unwrap_or("unknown"));
            text.push_str(&format!(
                "this code    {relation}: {pod}, the database {database}\npending      {}\ngate         {}\n",
                gate.pending(),
                gate.decision().text()
            ));
            for patch in gate.first_patches() {
                text.push_str(&format!("  {patch}\n"));
            }
        }
        match &self.decision {
            Ok(_) => {
                for (index, step) in self.steps.iter().enumerate() {
                    let took = last_time(self.last_ms(step));
                    text.push_str(&format!("  {}. {}; last time: {took}\n", index + 1, step.text));
                }
            }
            Err(fault) => {
                text.push_str(&format!("refused      {}\nhint         {}\n", fault.cause, fault.hint))
            }
        }
        text
    }

    pub fn json(&self) -> Value {
        let [database, folder, mark, action] = self.row;
        // `mend` is the former name of `hint`; it stays for one minor version.
        let refusal = self.decision.as_ref().err().map(|fault| {
            let (id, hint) = (fault.refusal_name(), &fault.hint);
            json!({"id": id, "cause": fault.cause, "hint": hint, "mend": hint})
        });
        let timed = |step: &PlannedStep| json!({"step": step.text, "last_ms": self.last_ms(step)});
        json!({
            "site": self.site,
            "database": self.database,
            "row": {"database": database, "site_folder": folder, "our_mark": mark, "action": action},
            "steps": self.steps.iter().map(|step| &step.text).collect::<Vec<_>>(),
            "timed_steps": self.steps.iter().map(timed).collect::<Vec<_>>(),
            "gate": self.gate.as_ref().map(MigrationPlan::json),
            "refusal": refusal,
            "exit_code": self.exit_code(),
        })
    }

    fn last_ms(&self, step: &PlannedStep) -> Option<u64> {
        self.durations.ms(step.timed_as.as_ref()?)
    }
}

/// `570 s`, `2.4 s`, or `unknown`.
#[allow(clippy::cast_precision_loss)] // Shown with one digit.
fn last_time(ms: Option<u64>) -> String {
    match ms {
        None => "unknown".into(),
        Some(ms @ 0..10_000) => format!("{:.1} s", ms as f64 / 1_000.0),
        Some(ms) => format!("{} s", ms / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_the_digits_that_matter() {
        assert_eq!(last_time(None), "unknown");
        assert_eq!([Some(40), Some(2_421), Some(570_321)].map(last_time), ["0.0 s", "2.4 s", "570 s"]);
    }
}
