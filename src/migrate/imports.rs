//! The import check: nothing is begun with code that cannot be run to its end.

use secrecy::SecretSlice;

use crate::code::relation::Evidence;
use crate::frappe::environment::ChildEnvironment;
use crate::frappe::patches;
use crate::leader::context::OverlayContext;
use crate::leader::lock::Leadership;
use crate::leader::step::{Program, run_program};
use crate::outcome::{Fault, Flow, Stopped};
use crate::status::operation::StepName;
use crate::supervise::spawn::{Spec, Stdin};

const SCRIPT: &str = include_str!("../frappe/import_check.py");

/// Has the bench's own python import every installed app, and find every pending patch.
///
/// # Errors
/// 75, naming what cannot be imported: another image, or another start of the same, may do.
pub async fn check(context: &OverlayContext<'_>, leadership: &Leadership, seen: &Evidence) -> Flow<()> {
    let apps: Vec<&str> = seen.apps.iter().map(|app| app.name.as_str()).collect();
    let modules: Vec<&str> = seen.pending().filter_map(patches::module).collect();
    let asked = serde_json::json!({"apps": apps, "patches": modules}).to_string();
    let mut environment =
        ChildEnvironment::inherited().for_frappe(context.database, &context.pod.config.redis);
    environment.joining(&context.overlay.joined());
    environment.set("PYTHONDONTWRITEBYTECODE", "1");
    let spec = Spec {
        args: vec!["-c".into(), SCRIPT.into()],
        env: environment.into_map(),
        cwd: Some(context.overlay.sites()),
        stdin: Stdin::Bytes(SecretSlice::from(asked.into_bytes())),
        ..Spec::new("import check", context.pod.bench.python())
    };
    let program = Program::new(StepName::ImportCheck, spec);
    match run_program(context, leadership, program, |_| std::future::pending()).await {
        Err(Stopped::Fault(fault)) => Err(Fault {
            hint: "mend that code, or go back to the image before; nothing was changed".into(),
            ..fault
        }
        .into()),
        ended => ended,
    }
}
