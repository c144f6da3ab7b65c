//! What a file system means for a site, and how little is too little.

use super::finding::Finding;
use super::id::Id;
use crate::outcome;

/// Whether pods share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Local,
    Shared,
    /// Shared, and without what Frappe's assets and files need.
    Poor,
    /// It goes with the container.
    Fleeting,
}

/// Magic numbers of statfs(2).
const FILESYSTEMS: &[(u64, &str, Kind, &str)] = &[
    (0xef53, "ext4", Kind::Local, ""),
    (0x5846_5342, "xfs", Kind::Local, ""),
    (0x9123_683e, "btrfs", Kind::Local, ""),
    (0x2fc1_2fc1, "zfs", Kind::Local, ""),
    (0xf2f5_2010, "f2fs", Kind::Local, ""),
    (
        0x6969,
        "NFS",
        Kind::Shared,
        "what another pod made may be seen late, and root may be squashed to nobody",
    ),
    (0x00c3_6400, "CephFS", Kind::Shared, ""),
    (0x0102_1997, "9p", Kind::Shared, "locks may not reach other machines"),
    (0x6573_5546, "FUSE", Kind::Shared, "what it can do depends on its driver"),
    (0x0bd0_0bd0, "Lustre", Kind::Shared, ""),
    (0x4750_4653, "GPFS", Kind::Shared, ""),
    (
        0xff53_4d42,
        "CIFS",
        Kind::Poor,
        "chmod does nothing and links may be refused; an open file cannot be replaced",
    ),
    (
        0xfe53_4d42,
        "SMB",
        Kind::Poor,
        "chmod does nothing and links may be refused; an open file cannot be replaced",
    ),
    (0x4d44, "vfat", Kind::Poor, "there are neither links nor modes"),
    (0x0102_1994, "tmpfs", Kind::Fleeting, "it is gone with the container"),
    (0x794c_7630, "overlayfs", Kind::Fleeting, "it is the container's own layer, gone with it"),
];

/// What the volume is on.
pub fn filesystem(subject: impl Into<String>, magic: u64) -> Finding {
    let id = Id::VolumeFilesystem;
    // 32-bit magics arrive sign-extended on some machines.
    let found = FILESYSTEMS.iter().find(|(number, ..)| *number == magic & 0xffff_ffff);
    let Some((_, name, kind, meaning)) = found else {
        return Finding::info(id, subject, format!("unknown to this program (magic {magic:#x})"));
    };
    let detail = |scope: &str| match *meaning {
        "" => format!("{name}, {scope}"),
        meaning => format!("{name}, {scope}: {meaning}"),
    };
    match kind {
        Kind::Local => Finding::ok(
            id,
            subject,
            detail("local: pods on other nodes see it only where the volume says so"),
        ),
        Kind::Shared => Finding::info(id, subject, detail("shared")),
        Kind::Poor => {
            let hint = "use NFS or another file system with links, modes and atomic renames";
            Finding::warning(id, subject, detail("shared"), hint)
        }
        Kind::Fleeting => {
            Finding::warning(id, subject, detail("no volume"), "mount a persistent volume on sites/")
        }
    }
}

const MIB: u64 = 1024 * 1024;
/// Less fails in the middle of a creation or of an upload.
const SPACE_ERROR: u64 = 100 * MIB;
const SPACE_WARNING: u64 = 1024 * MIB;
const INODES_ERROR: u64 = 1_000;
const INODES_WARNING: u64 = 20_000;

pub fn bytes(subject: &str, free: u64) -> Finding {
    let detail = format!("{} MiB free", free / MIB);
    let hint = "free some space, or make the volume bigger";
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
    let detail = format!("{free} files more");
    let hint = "remove old backups and logs, or make the volume with more inodes";
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
    fn each_file_system_is_told_with_what_follows() {
        for (magic, severity, word) in [
            (0xef53, Severity::Ok, "local"),
            (0x6969, Severity::Info, "squashed"),
            (0xff53_4d42, Severity::Warning, "chmod"),
            (0xffff_ffff_ff53_4d42, Severity::Warning, "chmod"),
            (0x0102_1994, Severity::Warning, "gone"),
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
