//! The reason why git failed, from its own output, and whether a retry may succeed.

use std::time::Duration;

use crate::outcome::Fault;
use crate::outcome::refusal::Refusal;

/// The kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Login,
    HostKey,
    /// OpenSSH refuses to run for a user without an entry in /etc/passwd.
    NoPasswdEntry,
    Missing,
    /// The server does not serve that commit, or nothing shallow.
    NoSuchObject,
    Transient,
}

/// The reason given by git.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    kind: Kind,
    text: String,
}

/// Messages of git, libcurl and ssh; the first one found decides.
const KNOWN: &[(&str, Kind)] = &[
    ("Host key verification failed", Kind::HostKey),
    ("No user exists for uid", Kind::NoPasswdEntry),
    ("Authentication failed", Kind::Login),
    ("could not read Username", Kind::Login),
    ("could not read Password", Kind::Login),
    ("Permission denied", Kind::Login),
    ("returned error: 403", Kind::Login),
    ("returned error: 401", Kind::Login),
    ("HTTP Basic: Access denied", Kind::Login),
    ("not our ref", Kind::NoSuchObject),
    ("unadvertised object", Kind::NoSuchObject),
    ("not advertised", Kind::NoSuchObject),
    ("does not support shallow", Kind::NoSuchObject),
    ("did not contain", Kind::NoSuchObject),
    ("couldn't find remote ref", Kind::NoSuchObject),
    ("not found", Kind::Missing),
    ("does not exist", Kind::Missing),
    ("No such file or directory", Kind::Missing),
    ("not appear to be a git repository", Kind::Missing),
    ("returned error: 404", Kind::Missing),
    ("transport 'file' not allowed", Kind::Missing),
    ("not a git repository", Kind::Missing),
];

/// Beginnings of lines with advice that is useless in a log.
const ADVICE: [&str; 6] = [
    "hint:",
    "Please make sure you have the correct access rights",
    "and the repository exists.",
    "Cloning into",
    "error: unable to read askpass response",
    "Submodule '",
];

/// Classifies a failure by git's last lines.
pub fn classify(lines: &[String]) -> Reason {
    let output: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    let kind = KNOWN.iter().find(|(words, _)| output.iter().any(|line| line.contains(words)));
    let useful: Vec<&str> =
        output.iter().copied().filter(|line| !ADVICE.iter().any(|advice| line.starts_with(advice))).collect();
    let last = &useful[useful.len().saturating_sub(3)..];
    let text = if last.is_empty() { "git failed without any output".to_string() } else { last.join(" / ") };
    Reason { kind: kind.map_or(Kind::Transient, |(_, kind)| *kind), text }
}

impl Reason {
    /// The reason for a git that was ended by the timeout.
    pub fn timed_out(deadline: Duration) -> Self {
        Self {
            kind: Kind::Transient,
            text: format!("did not end within {} s (CAULDRON_GIT_TIMEOUT)", deadline.as_secs()),
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// True if a retry may succeed without any change by the operator.
    pub fn is_transient(&self) -> bool {
        self.kind == Kind::Transient
    }

    pub fn is_missing_object(&self) -> bool {
        self.kind == Kind::NoSuchObject
    }

    /// The fault for the operator; `host` is None if the repository is a path.
    pub fn fault(&self, cause: &str, host: Option<&str>) -> Fault {
        let is_absent = matches!(self.kind, Kind::Missing | Kind::NoSuchObject);
        let host = match host {
            None if is_absent => {
                let hint = "check the path: the repository must be in the file system of this pod";
                return Fault::configuration(cause, hint);
            }
            host => host.unwrap_or("its host"),
        };
        match self.kind {
            Kind::Login => Fault::permission(
                cause,
                format!(
                    "set a token_file or an ssh_key_file for `{host}` in CAULDRON_GIT_AUTH that may read the repository"
                ),
            )
            .named(Refusal::GitLoginRefused),
            Kind::HostKey => Fault::configuration(
                cause,
                format!("add the key of `{host}` to the known_hosts_file of CAULDRON_GIT_AUTH (ssh-keyscan prints it)"),
            )
            .named(Refusal::GitHostUnknown),
            Kind::NoPasswdEntry => Fault::configuration(
                cause,
                format!(
                    "add an entry for this user to /etc/passwd, which ssh requires, or use `{host}` over https with a \
                     token_file"
                ),
            ),
            Kind::Missing | Kind::NoSuchObject => Fault::configuration(
                cause,
                format!(
                    "check the address, and the login for `{host}` if it is private: servers hide it without a login"
                ),
            ),
            Kind::Transient => {
                Fault::unavailable(cause, "check that this pod reaches the server (DNS, network policy, proxy)")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{CONFIGURATION, PERMISSION, UNAVAILABLE};

    #[test]
    fn messages_of_git_are_classified() {
        for (output, is_transient, code) in [
            ("fatal: Authentication failed for 'https://h/x'", false, PERMISSION),
            ("fatal: could not read Username for 'https://h': terminal prompts disabled", false, PERMISSION),
            ("git@h: Permission denied (publickey).", false, PERMISSION),
            ("Host key verification failed.", false, CONFIGURATION),
            ("No user exists for uid 123456", false, CONFIGURATION),
            ("fatal: repository 'https://h/x/' not found", false, CONFIGURATION),
            ("fatal: '/x' does not appear to be a git repository", false, CONFIGURATION),
            ("fatal: unable to access 'https://h/': Could not resolve host: h", true, UNAVAILABLE),
            ("fatal: the remote end hung up unexpectedly", true, UNAVAILABLE),
            ("error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502", true, UNAVAILABLE),
        ] {
            let reason = classify(&[output.to_string(), "and the repository exists.".into()]);
            assert_eq!(
                (reason.is_transient(), reason.fault("x", Some("h")).code),
                (is_transient, code),
                "{output}"
            );
            assert_eq!(reason.text(), output);
        }
        assert!(
            classify(&["error: Server does not allow request for unadvertised object a".into()])
                .is_missing_object()
        );
    }
}
