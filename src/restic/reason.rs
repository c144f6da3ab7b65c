//! Why restic failed, from its English messages: until 0.17 its exit code is 1 for everything.

use super::run::Ran;
use crate::outcome::refusal::Refusal;
use crate::outcome::{CONFIGURATION, FOREIGN_DATA, Fault, PERMISSION, TRY_AGAIN, UNAVAILABLE};

/// The cause of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub kind: Kind,
    /// restic's own message.
    pub message: String,
}

/// What a failure means for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// There is no repository at this place, which exists itself.
    Absent,
    AlreadyThere,
    NoBucket,
    WrongPassword,
    WrongCredentials,
    NoRight,
    NoTempFolder,
    ClockOff,
    DiskFull,
    Locked,
    Certificate,
    Unreachable,
    TooNew,
    Damaged,
    NoSnapshot,
    Other,
}

/// Words of restic and of the storage servers' errors that it passes on, in the order in which they are looked for.
const SIGNS: [(&str, Kind); 44] = [
    ("wrong password or no key found", Kind::WrongPassword),
    ("the difference between the request time and the server", Kind::ClockOff),
    ("requesttimetooskewed", Kind::ClockOff),
    ("specified bucket does not exist", Kind::NoBucket),
    ("nosuchbucket", Kind::NoBucket),
    ("container does not exist", Kind::NoBucket),
    ("bucket does not exist", Kind::NoBucket),
    ("invalidaccesskeyid", Kind::WrongCredentials),
    ("access key id you provided does not exist", Kind::WrongCredentials),
    ("signaturedoesnotmatch", Kind::WrongCredentials),
    ("account is not signed up", Kind::WrongCredentials),
    ("request signature we calculated does not match", Kind::WrongCredentials),
    ("no aws credentials", Kind::WrongCredentials),
    ("401 unauthorized", Kind::WrongCredentials),
    ("(401)", Kind::WrongCredentials),
    ("permission denied (publickey", Kind::WrongCredentials),
    ("fs.tempfile: open", Kind::NoTempFolder),
    ("access denied", Kind::NoRight),
    ("accessdenied", Kind::NoRight),
    ("403 forbidden", Kind::NoRight),
    ("(403)", Kind::NoRight),
    ("permission denied", Kind::NoRight),
    ("read-only file system", Kind::NoRight),
    ("no space left on device", Kind::DiskFull),
    ("disk quota exceeded", Kind::DiskFull),
    ("repository is already locked", Kind::Locked),
    ("unable to create lock", Kind::Locked),
    ("config file already exists", Kind::AlreadyThere),
    ("repository master key and config already initialized", Kind::AlreadyThere),
    ("x509:", Kind::Certificate),
    ("tls: failed to verify", Kind::Certificate),
    ("unsupported repository version", Kind::TooNew),
    ("no matching id found", Kind::NoSnapshot),
    ("ciphertext verification failed", Kind::Damaged),
    ("config or key", Kind::Damaged),
    ("unable to load index", Kind::Damaged),
    ("hash mismatch", Kind::Damaged),
    ("invalid data returned", Kind::Damaged),
    ("not found in repository", Kind::Damaged),
    ("unmarshal: ", Kind::Damaged),
    ("connection refused", Kind::Unreachable),
    ("no such host", Kind::Unreachable),
    ("i/o timeout", Kind::Unreachable),
    ("no route to host", Kind::Unreachable),
];

/// Words that say that the config file is absent, together with the question for the repository's place.
const NO_CONFIG: [&str; 5] =
    ["no such file", "does not exist", "nosuchkey", "not found", "repository does not exist"];

/// Words that name a file of the repository, and words that say that it is gone or cut off, once restic has tried for long.
const PARTS: [&str; 4] = ["<data/", "<index/", "<snapshot/", "streampack: "];
const CUT_OFF: &str = "unexpected eof";

/// Classifies the end of a run.
pub fn classify(ran: &Ran) -> Reason {
    let lines = ran.errors.join("\n");
    let lower = lines.to_ascii_lowercase();
    let asks = lower.contains("is there a repository") || lower.contains("repository does not exist");
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let sign = SIGNS.iter().find(|(sign, _)| lower.contains(sign));
    let kind = match sign {
        Some((_, kind)) => *kind,
        None if ran.exit.is_none() => Kind::Unreachable,
        None if asks && says(&NO_CONFIG) => Kind::Absent,
        None if says(&PARTS) && (says(&NO_CONFIG) || says(&[CUT_OFF])) => Kind::Damaged,
        None => Kind::Other,
    };
    Reason { kind, message: message(ran, sign.map(|(sign, _)| *sign)) }
}

/// The line that says most: a fatal one, else the one with the sign, else the last. A fatal line that lacks the sign (`unable
/// to create lock in backend`) is followed by the line that has it.
fn message(ran: &Ran, sign: Option<&str>) -> String {
    let fatal = ran.errors.iter().find(|line| line.contains("Fatal: "));
    let has_sign = |line: &&String| sign.is_some_and(|sign| line.to_ascii_lowercase().contains(sign));
    let told = ran.errors.iter().rfind(has_sign);
    let text = match (fatal, told) {
        (Some(fatal), Some(told)) if !has_sign(&fatal) => Some(format!("{fatal}: {told}")),
        (fatal, told) => fatal.or(told).or(ran.errors.last()).cloned(),
    };
    let text = text.map(|text| text.trim_start_matches("Fatal: ").to_string());
    match (text, ran.exit) {
        (Some(text), Some(_)) => text,
        (Some(text), None) => format!("no answer in time: {text}"),
        (None, Some(exit)) => format!("restic {exit}"),
        (None, None) => "no answer in time".into(),
    }
}

impl Reason {
    /// The fault, whose cause begins with `doing`.
    pub fn fault(&self, doing: &str) -> Fault {
        let (code, hint, refusal) = remedy(self.kind);
        let fault = Fault::new(code, format!("{doing}: {}", self.message), hint);
        Fault { refusal, ..fault }
    }
}

fn remedy(kind: Kind) -> (u8, &'static str, Option<Refusal>) {
    match kind {
        Kind::Absent => (
            FOREIGN_DATA,
            "check CAULDRON_BACKUP_TO: there is no repository; the first `backup` makes one",
            Some(Refusal::RepositoryMissing),
        ),
        Kind::AlreadyThere => (TRY_AGAIN, "another backup has just made the repository: start again", None),
        Kind::NoBucket => (CONFIGURATION, "create the bucket, or check its name in CAULDRON_BACKUP_TO", None),
        Kind::WrongPassword => (
            PERMISSION,
            "set CAULDRON_BACKUP_PASSWORD_FILE to the password with which the repository was made",
            Some(Refusal::RepositoryPasswordWrong),
        ),
        Kind::WrongCredentials => {
            (PERMISSION, "check the credentials of the storage server (AWS_ACCESS_KEY_ID and the like)", None)
        }
        Kind::NoRight => (
            PERMISSION,
            "give these credentials, or this user, the right to read and write there (docs/backups.md#rights)",
            None,
        ),
        Kind::NoTempFolder => (
            CONFIGURATION,
            "restic needs a folder for temporary files: make /tmp writable, or set TMPDIR to a folder that is",
            None,
        ),
        Kind::ClockOff => {
            (CONFIGURATION, "set this machine's clock (NTP): the storage server refuses its time", None)
        }
        Kind::DiskFull => (TRY_AGAIN, "free some space where the repository is, or on this machine", None),
        Kind::Locked => (
            TRY_AGAIN,
            "wait until the other process has ended; the lock of a dead one is removed by `backup exec -- restic unlock`",
            None,
        ),
        Kind::Certificate => {
            (CONFIGURATION, "mount the server's CA certificate and name it in SSL_CERT_FILE", None)
        }
        Kind::Unreachable => {
            (UNAVAILABLE, "check the address in CAULDRON_BACKUP_TO, DNS and the network policy", None)
        }
        Kind::TooNew => {
            (CONFIGURATION, "use an image with the version of restic that wrote the repository", None)
        }
        Kind::Damaged => (
            FOREIGN_DATA,
            "examine the repository: `backup exec -- restic check`",
            Some(Refusal::RepositoryDamaged),
        ),
        Kind::NoSnapshot => (FOREIGN_DATA, "see `backup list`", None),
        Kind::Other => (TRY_AGAIN, "read restic's message; `backup exec -- restic …` runs it by hand", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::exit::Exit;

    fn kind(errors: &[&str]) -> Kind {
        let errors = errors.iter().map(ToString::to_string).collect();
        classify(&Ran { exit: Some(Exit::Exited(1)), stdout: Vec::new(), errors }).kind
    }

    /// Messages of restic 0.14 and 0.18.
    #[test]
    fn messages_are_classified() {
        let at = "Is there a repository at the following location?";
        assert_eq!(
            kind(&["Fatal: unable to open config file: stat /b/config: no such file or directory", at, "/b"]),
            Kind::Absent
        );
        assert_eq!(
            kind(&[
                "Fatal: repository does not exist: unable to open config file: stat /b/config: no such file"
            ]),
            Kind::Absent
        );
        assert_eq!(
            kind(&["Fatal: unable to open config file: Stat: The specified key does not exist.", at]),
            Kind::Absent
        );
        assert_eq!(
            kind(&["Fatal: unable to open config file: Stat: The specified bucket does not exist", at]),
            Kind::NoBucket
        );
        assert_eq!(kind(&["Fatal: unable to open config file: Stat: Access Denied.", at]), Kind::NoRight);
        assert_eq!(
            kind(&["Fatal: unable to open config file: Stat: Your account is not signed up"]),
            Kind::WrongCredentials
        );
        assert_eq!(kind(&["Fatal: wrong password or no key found"]), Kind::WrongPassword);
        assert_eq!(
            kind(&["Fatal: unable to save snapshot: write /b/tmp: no space left on device"]),
            Kind::DiskFull
        );
        assert_eq!(kind(&["dial tcp 127.0.0.1:9: connect: connection refused"]), Kind::Unreachable);
        assert_eq!(
            kind(&["unable to save snapshot: fs.TempFile: open /tmp/restic-temp-pack-1: permission denied"]),
            Kind::NoTempFolder
        );
        for damaged in [
            "cannot dump file: ReadFull(<data/99e770d71a>): unexpected EOF",
            "cannot dump file: ReadFull(<data/99e770d71a>): open /b/data/99/99e7: no such file or directory",
            "Load(<data/99e770d71a>, 0, 0) failed: The specified key does not exist.",
            "Fatal: load <index/c82547d9e1>: invalid data returned",
            "loading tree for snapshot \"latest\" failed: id 384a3b5edd4a not found in repository",
            "Fatal: Unmarshal: unexpected end of JSON input",
            "ignoring error for /a: StreamPack: open /b/data/99/99e7: no such file or directory",
        ] {
            assert_eq!(kind(&[damaged, "Fatal: There were 2 errors"]), Kind::Damaged, "{damaged}");
        }
        assert_eq!(kind(&["Post \"https://h/\": unexpected EOF"]), Kind::Other);
        assert_eq!(kind(&["something else"]), Kind::Other);
    }

    /// Lines of restic 0.14 for a login that may not write, and one that may not delete.
    #[test]
    fn the_line_that_tells_the_reason_is_shown() {
        let message = |errors: &[&str]| {
            let errors = errors.iter().map(ToString::to_string).collect();
            classify(&Ran { exit: Some(Exit::Exited(1)), stdout: Vec::new(), errors }).message
        };
        let lock = "Fatal: unable to create lock in backend";
        assert_eq!(message(&[lock, "Access Denied."]), "unable to create lock in backend: Access Denied.");
        let told = "Fatal: unable to open config file: Stat: Access Denied.";
        assert_eq!(message(&[told, "at"]), "unable to open config file: Stat: Access Denied.");
        assert_eq!(message(&["Access Denied.", "main.main", "\truntime/proc.go:250"]), "Access Denied.");
        assert_eq!(message(&["one", "two"]), "two");
    }

    #[test]
    fn the_fatal_line_is_shown() {
        let errors = vec!["retrying".to_string(), "Fatal: no".into(), "/b".into()];
        let ran = |exit| Ran { exit, stdout: Vec::new(), errors: errors.clone() };
        assert_eq!(classify(&ran(Some(Exit::Exited(1)))).message, "no");
        assert_eq!(classify(&ran(None)).message, "no answer in time: no");
        let locked = "unable to create lock in backend: repository is already locked by PID 7 on vm";
        let errors =
            vec![locked.to_string(), "lock was created at 2026-11-30".into(), "the `unlock` command".into()];
        let ran = Ran { exit: Some(Exit::Exited(1)), stdout: Vec::new(), errors };
        assert_eq!(classify(&ran), Reason { kind: Kind::Locked, message: locked.into() });
    }
}
