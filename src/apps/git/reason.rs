//! Why git failed, in its own words, and whether another try may do.

use std::time::Duration;

use crate::outcome::Fault;

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Login,
    HostKey,
    /// OpenSSH refuses to work for a user without an entry in /etc/passwd.
    Nameless,
    Missing,
    /// The server hands out no such commit, or nothing shallow.
    NoSuchObject,
    MayPass,
}

/// git's reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    kind: Kind,
    text: String,
}

/// What git, libcurl and ssh say; the first that is found counts.
const KNOWN: &[(&str, Kind)] = &[
    ("Host key verification failed", Kind::HostKey),
    ("No user exists for uid", Kind::Nameless),
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

/// Advice that is of no use to who reads a log.
const ADVICE: [&str; 6] = [
    "hint:",
    "Please make sure you have the correct access rights",
    "and the repository exists.",
    "Cloning into",
    "error: unable to read askpass response",
    "Submodule '",
];

/// Reads the last lines of a git that failed.
pub fn explain(lines: &[String]) -> Reason {
    let said: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    let kind = KNOWN.iter().find(|(words, _)| said.iter().any(|line| line.contains(words)));
    let useful: Vec<&str> =
        said.iter().copied().filter(|line| !ADVICE.iter().any(|advice| line.starts_with(advice))).collect();
    let last = &useful[useful.len().saturating_sub(3)..];
    let text = if last.is_empty() { "git failed without a word".to_string() } else { last.join(" / ") };
    Reason { kind: kind.map_or(Kind::MayPass, |(_, kind)| *kind), text }
}

impl Reason {
    /// Past its deadline.
    pub fn silent(deadline: Duration) -> Self {
        Self {
            kind: Kind::MayPass,
            text: format!("no end within {} s (CAULDRON_GIT_TIMEOUT)", deadline.as_secs()),
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Nobody has to change anything for another try to succeed.
    pub fn may_pass(&self) -> bool {
        self.kind == Kind::MayPass
    }

    pub fn is_no_such_object(&self) -> bool {
        self.kind == Kind::NoSuchObject
    }

    /// For the operator; no host where the repository is a path.
    pub fn fault(&self, cause: &str, host: Option<&str>) -> Fault {
        let is_absent = matches!(self.kind, Kind::Missing | Kind::NoSuchObject);
        let host = match host {
            None if is_absent => {
                let hint = "check the path: the repository has to be in this very pod";
                return Fault::configuration(cause, hint);
            }
            host => host.unwrap_or("its host"),
        };
        match self.kind {
            Kind::Login => Fault::permission(
                cause,
                format!(
                    "name a token_file or an ssh_key_file for `{host}` in CAULDRON_GIT_AUTH that may read it"
                ),
            ),
            Kind::HostKey => Fault::configuration(
                cause,
                format!(
                    "put the key of `{host}` into the known_hosts_file of CAULDRON_GIT_AUTH (ssh-keyscan shows it)"
                ),
            ),
            Kind::Nameless => Fault::configuration(
                cause,
                format!(
                    "ssh wants an entry in /etc/passwd for this user: give it one, or reach `{host}` by https with a \
                     token_file"
                ),
            ),
            Kind::Missing | Kind::NoSuchObject => Fault::configuration(
                cause,
                format!(
                    "check the address; a private repository may look absent without a login for `{host}`"
                ),
            ),
            Kind::MayPass => {
                Fault::unavailable(cause, "check that this pod reaches it (DNS, network policy, proxy)")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{CONFIGURATION, PERMISSION, UNAVAILABLE};

    #[test]
    fn gits_words_are_told_apart() {
        for (said, may_pass, code) in [
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
            let reason = explain(&[said.to_string(), "and the repository exists.".into()]);
            assert_eq!((reason.may_pass(), reason.fault("x", Some("h")).code), (may_pass, code), "{said}");
            assert_eq!(reason.text(), said);
        }
        assert!(
            explain(&["error: Server does not allow request for unadvertised object a".into()])
                .is_no_such_object()
        );
    }
}
