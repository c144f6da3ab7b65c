//! PostgreSQL refuses to run as root: tests run by root give its servers another user.

use std::fs;
use std::os::unix::fs::{chown, lchown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Uid, User};

/// `postgres` where there is one, else `nobody`; `None` when the tests do not run as root.
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

/// Hands one file or folder over.
pub fn give(path: &Path, user: Option<&User>) {
    if let Some(user) = user {
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("chown for a test server");
    }
}

/// Hands over a folder and what is in it, links themselves and not what they point to.
pub fn give_tree(path: &Path, uid: u32, gid: u32) {
    lchown(path, Some(uid), Some(gid)).expect("chown for a test");
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).expect("a readable folder") {
            give_tree(&entry.expect("a readable folder").path(), uid, gid);
        }
    }
}
