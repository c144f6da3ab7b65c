//! /dev/termination-log: Kubernetes shows its content as the reason why a container ended.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use nix::libc;

use crate::outcome::Fault;

const PATH: &str = "/dev/termination-log";
/// The kubelet reads at most this much.
const MAX_BYTES: usize = 4096;

/// Writes cause and hint if an orchestrator has mounted the file. The file is never created.
pub fn write(fault: &Fault) {
    // Without O_NONBLOCK, a pipe at this path would block the end of the process.
    let opened = OpenOptions::new().write(true).truncate(true).custom_flags(libc::O_NONBLOCK).open(PATH);
    if let Ok(mut file) = opened {
        let _ = file.write_all(text(fault).as_bytes());
    }
}

fn text(fault: &Fault) -> String {
    let name = fault.refusal_name().map(|name| format!("refusal: {name}\n")).unwrap_or_default();
    let mut text = format!("{}\nhint: {}\n{name}exit code {}\n", fault.cause, fault.hint, fault.code);
    let end = (0..=MAX_BYTES.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.truncate(end.unwrap_or(0));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_cause_is_cut_at_a_character() {
        let fault = Fault::configuration("ü".repeat(4000), "m");
        let text = text(&fault);
        assert!(text.len() <= MAX_BYTES && text.starts_with('ü'));
    }
}
