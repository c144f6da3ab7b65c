//! Checks of the volume's file system: its type, free space and free inodes.

use super::finding::Finding;
use super::id::Id;
use crate::outcome;
use crate::sys::filesystem::{self, Kind};

/// Checks the type of the file system.
pub fn filesystem(subject: impl Into<String>, magic: u64) -> Finding {
    let id = Id::VolumeFilesystem;
    let Some((name, kind, meaning)) = filesystem::known(magic) else {
        return Finding::info(id, subject, format!("unknown file system (magic {magic:#x})"));
    };
    let detail = |scope: &str| match meaning {
        "" => format!("{name}, {scope}"),
        meaning => format!("{name}, {scope}: {meaning}"),
    };
    match kind {
        Kind::Local => Finding::ok(
            id,
            subject,
            detail("local: pods on other nodes see it only if the volume is attached there"),
        ),
        Kind::Shared => Finding::info(id, subject, detail("shared")),
        Kind::Limited => {
            let hint = "use NFS or another file system with links, modes and atomic renames";
            Finding::warning(id, subject, detail("shared"), hint)
        }
        Kind::Ephemeral => {
            Finding::warning(id, subject, detail("not a volume"), "mount a persistent volume on sites/")
        }
    }
}

const MIB: u64 = 1024 * 1024;
/// With less space, a creation or an upload fails in the middle.
const SPACE_ERROR: u64 = 100 * MIB;
const SPACE_WARNING: u64 = 1024 * MIB;
const INODES_ERROR: u64 = 1_000;
const INODES_WARNING: u64 = 20_000;

pub fn bytes(subject: &str, free: u64) -> Finding {
    let detail = format!("{} MiB free", free / MIB);
    let hint = "free some space, or enlarge the volume";
    match free {
        ..SPACE_ERROR => Finding::error(Id::VolumeSpace, outcome::TRY_AGAIN, subject, detail, hint),
        SPACE_ERROR..SPACE_WARNING => Finding::warning(Id::VolumeSpace, subject, detail, hint),
        _ => Finding::ok(Id::VolumeSpace, subject, detail),
    }
}

pub fn inodes(subject: &str, total: u64, free: u64) -> Finding {
    if total == 0 {
        return Finding::ok(Id::VolumeInodes, subject, "this file system does not count them");
    }
    let detail = format!("{free} more files");
    let hint = "remove old backups and logs, or create the volume with more inodes";
    match free {
        ..INODES_ERROR => Finding::error(Id::VolumeInodes, outcome::TRY_AGAIN, subject, detail, hint),
        INODES_ERROR..INODES_WARNING => Finding::warning(Id::VolumeInodes, subject, detail, hint),
        _ => Finding::ok(Id::VolumeInodes, subject, detail),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn each_file_system_has_its_severity_and_consequence() {
        for (magic, severity, word) in [
            (0xef53, Severity::Ok, "local"),
            (0x6969, Severity::Info, "squashed"),
            (0xff53_4d42, Severity::Warning, "chmod"),
            (0xffff_ffff_ff53_4d42, Severity::Warning, "chmod"),
            (0x0102_1994, Severity::Warning, "deleted"),
            (0x794c_7630, Severity::Warning, "layer"),
            (0x1234, Severity::Info, "0x1234"),
        ] {
            let finding = filesystem("s", magic);
            assert!(finding.severity == severity && finding.detail.contains(word), "{finding:?}");
        }
    }

    #[test]
    fn the_thresholds_hold() {
        for (free, severity) in [
            (0, Severity::Error),
            (100 * MIB - 1, Severity::Error),
            (100 * MIB, Severity::Warning),
            (1024 * MIB, Severity::Ok),
        ] {
            assert_eq!(bytes("s", free).severity, severity, "{free}");
        }
        for (total, free, severity) in [
            (0, 0, Severity::Ok),
            (9, 9, Severity::Error),
            (1 << 20, 9_999, Severity::Warning),
            (1 << 20, 1 << 19, Severity::Ok),
        ] {
            assert_eq!(inodes("s", total, free).severity, severity, "{free} of {total}");
        }
    }
}
