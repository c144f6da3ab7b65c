//! Ends a server and removes its folder even if the test process is killed and drops nothing.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A shell that reads from a pipe whose write end only this process has: a line means a normal end, end of file means
/// that this process died.
pub struct Guard {
    shell: Child,
}

const SCRIPT: &str = r#"read -r line || { kill -QUIT "$1" 2>/dev/null; rm -rf "$2"; }"#;

impl Guard {
    pub fn watch(pid: u32, folder: &Path) -> Self {
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "guard", &pid.to_string()])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("a guard for a test server");
        Self { shell }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(pipe) = self.shell.stdin.as_mut() {
            let _ = pipe.write_all(b"done\n");
        }
        let _ = self.shell.wait();
    }
}
