//! The import check: no migration starts with code that cannot be run to its end.

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

/// Lets the bench's own Python import every installed app and find every pending patch.
///
/// # Errors
/// 75, with what cannot be imported: another image, or a restart of the same one, may succeed.
pub async fn check(context: &OverlayContext<'_>, leadership: &Leadership, seen: &Evidence) -> Flow<()> {
    let apps: Vec<&str> = seen.apps.iter().map(|app| app.name.as_str()).collect();
    let modules: Vec<&str> = seen.pending().filter_map(patches::module).collect();
    let request = serde_json::json!({"apps": apps, "patches": modules}).to_string();
    let mut environment =
        ChildEnvironment::inherited().for_frappe(context.database, &context.pod.config.redis);
    environment.use_overlay(&context.overlay.paths());
    environment.set("PYTHONDONTWRITEBYTECODE", "1");
    let spec = Spec {
        args: vec!["-c".into(), SCRIPT.into()],
        env: environment.into_map(),
        cwd: Some(context.overlay.sites()),
        stdin: Stdin::Bytes(SecretSlice::from(request.into_bytes())),
        ..Spec::new("import check", context.pod.bench.python())
    };
    let program = Program::new(StepName::ImportCheck, spec);
    match run_program(context, leadership, program, |_| std::future::pending()).await {
        Err(Stopped::Fault(fault)) => Err(Fault {
            hint: "fix that code, or go back to the previous image; nothing was changed".into(),
            ..fault
        }
        .into()),
        ended => ended,
    }
}
