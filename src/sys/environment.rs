//! Secrets in our own environment block, which /proc/PID/environ shows to every process of our user.

use std::ffi::CStr;

use nix::libc;

unsafe extern "C" {
    static environ: *const *mut libc::c_char;
}

/// Overwrites the values of these variables where the kernel put them. To be called once what they
/// say has been read; a child gets them only if its own environment names them.
pub fn scrub(names: impl Iterator<Item = String>) {
    for name in names {
        for value in values_of(&name) {
            // SAFETY: `value` is the rest of an entry of the environment block, up to its end. The
            // block is writable memory of this process; nothing holds a reference into it, since the
            // standard library copies what it reads.
            unsafe {
                let length = libc::strlen(value);
                for offset in 0..length {
                    std::ptr::write_volatile(value.add(offset), 0);
                }
            }
        }
    }
}

/// Where the values of this variable begin; a block may name one twice.
fn values_of(name: &str) -> Vec<*mut libc::c_char> {
    let mut found = Vec::new();
    // SAFETY: the block is a null-terminated list of C strings that nobody changes while we look
    // (`env::set_var` is banned in this program).
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            let bytes = CStr::from_ptr(*entry).to_bytes();
            if bytes.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"=")) {
                found.push((*entry).add(name.len() + 1));
            }
            entry = entry.add(1);
        }
    }
    found
}

/// Our memory is nobody's to read: no core dump, no ptrace by our own user (prctl(2)). Children have
/// their own.
pub fn forbid_dumps() {
    let _ = nix::sys::prctl::set_dumpable(false);
}
