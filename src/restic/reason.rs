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
    /// CAULDRON_BACKUP_TO is not what restic can read, or something that its kind of server needs is missing.
    BadPlace,
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
const SIGNS: [(&str, Kind); 60] = [
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
    ("no azure authentication information found", Kind::WrongCredentials),
    ("could not find default credentials", Kind::WrongCredentials),
    ("can't find authversion in authurl", Kind::WrongCredentials),
    ("_account_id) is empty", Kind::WrongCredentials),
    ("_account_key) is empty", Kind::WrongCredentials),
    ("401 unauthorized", Kind::WrongCredentials),
    ("(401)", Kind::WrongCredentials),
    ("permission denied (publickey", Kind::WrongCredentials),
    ("fs.tempfile: open", Kind::NoTempFolder),
    ("parsing repository location failed", Kind::BadPlace),
    ("bucket name cannot ", Kind::BadPlace),
    ("bucket name contains invalid characters", Kind::BadPlace),
    ("unsupported protocol scheme", Kind::BadPlace),
    ("executable file not found in $path", Kind::BadPlace),
    ("not a directory", Kind::BadPlace),
    ("access denied", Kind::NoRight),
    ("accessdenied", Kind::NoRight),
    ("not authorized to perform", Kind::NoRight),
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
    ("config file has zero size", Kind::Damaged),
    ("config cannot be loaded", Kind::Damaged),
    ("only supported kdf", Kind::Damaged),
    ("unable to load index", Kind::Damaged),
    ("hash mismatch", Kind::Damaged),
    ("invalid data returned", Kind::Damaged),
    ("not found in repository", Kind::Damaged),
    ("unmarshal: ", Kind::Damaged),
    ("subprocess ssh: ", Kind::Unreachable),
    ("connection refused", Kind::Unreachable),
    ("no such host", Kind::Unreachable),
    ("i/o timeout", Kind::Unreachable),
    ("no route to host", Kind::Unreachable),
];

/// Words that say that the config file is absent, together with the question for the repository's place.
const NO_CONFIG: [&str; 5] =
    ["no such file", "does not exist", "nosuchkey", "not found", "repository does not exist"];

/// Words that name a file of the repository: once restic has tried for long, it is gone or cut off.
const PARTS: [&str; 4] = ["<data/", "<index/", "<snapshot/", "streampack: "];

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
        None if says(&PARTS) && (says(&NO_CONFIG) || lower.lines().any(is_cut_off)) => Kind::Damaged,
        None => Kind::Other,
    };
    Reason { kind, message: message(ran, sign.map(|(sign, _)| *sign)) }
}

/// True if a file of the repository ends within what is read, or before it; not for a connection that ends.
fn is_cut_off(line: &str) -> bool {
    line.ends_with("eof") && !line.contains("://")
}

/// The line that says most: a fatal one, else the one with the sign, else the last. A fatal line that lacks the sign (`unable
/// to create lock in backend`) is followed by the line that has it.
fn message(ran: &Ran, sign: Option<&str>) -> String {
    let lines = without_trace(&ran.errors);
    let fatal = lines.iter().find(|line| line.contains("Fatal: "));
    let has_sign = |line: &&&str| sign.is_some_and(|sign| line.to_ascii_lowercase().contains(sign));
    let told = lines.iter().rfind(has_sign);
    let text = match (fatal, told) {
        (Some(fatal), Some(told)) if !has_sign(&fatal) => Some(format!("{fatal}: {told}")),
        (fatal, told) => fatal.or(told).or(lines.last()).map(ToString::to_string),
    };
    let text = text.map(|text| text.trim_start_matches("Fatal: ").to_string());
    match (text, ran.exit) {
        (Some(text), Some(_)) => text,
        (Some(text), None) => format!("no answer in time: {text}"),
        (None, Some(exit)) => format!("restic {exit}"),
        (None, None) => "no answer in time".into(),
    }
}

/// The lines without a Go stack trace, which follows an error that restic does not expect: each function, and its place
/// after a tab.
fn without_trace(lines: &[String]) -> Vec<&str> {
    let is_place = |index: usize| lines.get(index).is_some_and(|line| line.starts_with('\t'));
    let kept = (0..lines.len()).filter(|&index| !is_place(index) && !is_place(index + 1));
    kept.map(|index| lines[index].as_str()).collect()
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
        Kind::BadPlace => (
            CONFIGURATION,
            "correct CAULDRON_BACKUP_TO, or add what the message says is missing (restic's manual: preparing a repository)",
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
mod tests;
