//! The user for PostgreSQL servers: PostgreSQL refuses to run as root, so tests run by root use another user.

use std::fs;
use std::os::unix::fs::{chown, lchown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Uid, User};

/// `postgres` if it exists, else `nobody`; None if the tests do not run as root.
pub fn server_user() -> Option<User> {
    if !Uid::effective().is_root() {
        return None;
    }
    ["postgres", "nobody"].iter().find_map(|name| User::from_name(name).ok().flatten())
}

pub fn run_as<'a>(command: &'a mut Command, user: Option<&User>) -> &'a mut Command {
    match user {
        Some(user) => command.uid(user.uid.as_raw()).gid(user.gid.as_raw()),
        None => command,
    }
}

/// Changes the owner of one file or folder.
pub fn give(path: &Path, user: Option<&User>) {
    if let Some(user) = user {
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("chown for a test server");
    }
}

/// Changes the owner of a folder and its contents; of links, not of their targets.
pub fn give_tree(path: &Path, uid: u32, gid: u32) {
    lchown(path, Some(uid), Some(gid)).expect("chown for a test");
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).expect("a readable folder") {
            give_tree(&entry.expect("a readable folder").path(), uid, gid);
        }
    }
}
