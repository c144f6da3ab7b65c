//! The program's own code in memory.

use nix::libc;

/// Lets go of the code that only a start needs. The kernel keeps it in its cache for as long as it has
/// room, and brings back what is needed again.
pub fn let_go() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    let Ok(program) = std::fs::read_link("/proc/self/exe") else { return };
    for line in maps.lines().filter(|line| line.ends_with(&*program.to_string_lossy())) {
        let mut words = line.split(' ');
        let (range, mode) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        // Code alone: it is never written to, and what is read again is what was there.
        let bounds = range.split_once('-').filter(|_| mode == "r-xp");
        let bounds =
            bounds.map(|(from, to)| (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16)));
        if let Some((Ok(from), Ok(to))) = bounds {
            // SAFETY: a mapping of a file, private, not writable and never written: the pages come back.
            unsafe { libc::madvise(from as *mut libc::c_void, to - from, libc::MADV_DONTNEED) };
        }
    }
}
