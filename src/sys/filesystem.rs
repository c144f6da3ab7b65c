//! Types of file systems, and their suitability for a site.

use std::path::Path;

use nix::sys::statfs::statfs;

/// The suitability of a file system for a site's volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Local,
    /// Shared by pods.
    Shared,
    /// Shared, but without features that Frappe's assets and files need.
    Limited,
    /// Deleted with the container.
    Ephemeral,
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
        "files of other pods may become visible late, and root may be squashed to nobody",
    ),
    (0x00c3_6400, "CephFS", Kind::Shared, ""),
    (0x0102_1997, "9p", Kind::Shared, "locks may not reach other machines"),
    (0x6573_5546, "FUSE", Kind::Shared, "its features depend on its driver"),
    (0x0bd0_0bd0, "Lustre", Kind::Shared, ""),
    (0x4750_4653, "GPFS", Kind::Shared, ""),
    (
        0xff53_4d42,
        "CIFS",
        Kind::Limited,
        "chmod does nothing and links may be refused; an open file cannot be replaced",
    ),
    (
        0xfe53_4d42,
        "SMB",
        Kind::Limited,
        "chmod does nothing and links may be refused; an open file cannot be replaced",
    ),
    (0x4d44, "vfat", Kind::Limited, "it has neither links nor file modes"),
    (0x0102_1994, "tmpfs", Kind::Ephemeral, "it is deleted with the container"),
    (0x794c_7630, "overlayfs", Kind::Ephemeral, "it is the container's own layer and is deleted with it"),
];

/// The name, kind and restrictions of a file system.
pub fn known(magic: u64) -> Option<(&'static str, Kind, &'static str)> {
    // 32-bit magics arrive sign-extended on some machines.
    let found = FILESYSTEMS.iter().find(|(number, ..)| *number == magic & 0xffff_ffff)?;
    Some((found.1, found.2, found.3))
}

/// True if files of other pods may become visible late: clients of network file systems cache failed lookups.
pub fn is_shared(path: &Path) -> bool {
    let magic = statfs(path).map(|stat| stat.filesystem_type().0);
    let kind = magic.ok().and_then(|magic| known(magic)).map(|(_, kind, _)| kind);
    matches!(kind, Some(Kind::Shared | Kind::Limited))
}
