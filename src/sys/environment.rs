//! Removes secrets from our environment block, which /proc/PID/environ shows to every process of our user.

use std::ffi::CStr;

use nix::libc;

unsafe extern "C" {
    static environ: *const *mut libc::c_char;
}

/// Overwrites the values of these variables in the block. Must be called after the values are read; a child gets
/// them only if its own environment contains them.
pub fn scrub(names: impl Iterator<Item = String>) {
    for name in names {
        for value in values_of(&name) {
            // SAFETY: `value` points into an entry of the environment block, which ends in null. The block is
            // writable memory of this process; no reference into it exists, since the standard library copies
            // the values that it reads.
            unsafe {
                let length = libc::strlen(value);
                for offset in 0..length {
                    std::ptr::write_volatile(value.add(offset), 0);
                }
            }
        }
    }
}

/// The addresses of this variable's values; a block may contain a variable twice.
fn values_of(name: &str) -> Vec<*mut libc::c_char> {
    let mut values = Vec::new();
    // SAFETY: the block is a null-terminated list of C strings that no code changes (`env::set_var` is banned in
    // this program).
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            let bytes = CStr::from_ptr(*entry).to_bytes();
            if bytes.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"=")) {
                values.push((*entry).add(name.len() + 1));
            }
            entry = entry.add(1);
        }
    }
    values
}

/// Protects our memory: no core dump, no ptrace by our own user (prctl(2)). Children are not affected.
pub fn forbid_dumps() {
    let _ = nix::sys::prctl::set_dumpable(false);
}
