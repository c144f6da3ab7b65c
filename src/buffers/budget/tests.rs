//! Who gets room before whom.

use super::*;
use crate::buffers::bounds::MAX_BUFFERED_IN_MEMORY_BYTES;

const MIB: u64 = 1 << 20;

#[test]
fn requests_have_priority_over_responses_and_small_requests_over_large_ones() {
    let budget = Budget::new(FolderLimit::None);
    let mut free_bytes = 400 * MIB;
    let mut fill = |kind, step: u64, one: bool| {
        let mut charges = vec![budget.charge(kind, Place::Disk, 0)];
        loop {
            if !one {
                charges.push(budget.charge(kind, Place::Disk, 0));
            }
            let charge = charges.last_mut().unwrap();
            if !charge.try_add_on_disk(step, Space { free_bytes, total_bytes: 0 }, false) {
                return charges;
            }
            free_bytes -= step;
        }
    };
    let used_mib = || budget.state().used_bytes(Place::Disk) / MIB;
    let answers = fill(Kind::Answer, MIB, true);
    assert_eq!(used_mib(), 100);
    let large = fill(Kind::Request, 2 * MIB, true);
    assert_eq!(used_mib(), 200);
    let small = fill(Kind::Request, MIB, false);
    assert_eq!(used_mib(), 300);
    assert_eq!(budget.state().refused, [0, 1], "a request waits before it is refused");
    drop((answers, large, small));
    assert_eq!(used_mib(), 0);
}

#[test]
fn a_runtime_folder_in_memory_is_limited_by_the_container_memory() {
    let budget = Budget::new(FolderLimit::Memory(400 * MIB));
    let mut request = budget.charge(Kind::Request, Place::Disk, 0);
    let space = Space { free_bytes: 64 << 30, total_bytes: 64 << 30 };
    assert!(request.try_add_on_disk(MIB, space, false));
    assert!(!request.try_add_on_disk(50 * MIB, space, false));
}

#[test]
fn a_given_size_limits_the_folder_and_its_largest_body() {
    let size = FolderLimit::Size(200 * MIB);
    let budget = Budget::new(size);
    let space = Space { free_bytes: 64 << 30, total_bytes: 64 << 30 };
    assert_eq!(budget.capacity_bytes(space, 0) / MIB, 170);
    // A disk that is nearly full counts, too.
    let full = Space { free_bytes: 10 * MIB, total_bytes: 64 << 30 };
    assert_eq!(budget.capacity_bytes(full, 0) / MIB, 5);
    assert_eq!(size.largest_body_bytes(64 << 30) / MIB, 84);
    assert_eq!(FolderLimit::None.largest_body_bytes(200 * MIB) / MIB, 84);
    assert_eq!(FolderLimit::Memory(400 * MIB).largest_body_bytes(64 << 30) / MIB, 50);
}

#[test]
fn an_upload_begins_only_if_all_of_it_has_room() {
    let budget = Budget::new(FolderLimit::None);
    let space = Space { free_bytes: 100 * MIB, total_bytes: 0 };
    let mut large = budget.charge(Kind::Request, Place::Disk, 51 * MIB);
    assert!(!large.try_add_on_disk(MIB, space, false), "half of the folder is for large bodies");
    let mut other = budget.charge(Kind::Request, Place::Disk, 49 * MIB);
    assert!(other.try_add_on_disk(MIB, space, false));
    assert_eq!(budget.state().used_bytes(Place::Disk), MIB, "nothing is reserved");
}

#[test]
fn small_requests_do_not_stop_a_large_one_that_has_begun() {
    let budget = Budget::new(FolderLimit::Memory(1600 * MIB));
    let space = Space { free_bytes: 64 << 30, total_bytes: 64 << 30 };
    let mut large = budget.charge(Kind::Request, Place::Disk, 0);
    assert!(large.try_add_on_disk(MIB, space, false), "of a length that is not known yet");
    let mut small: Vec<_> = (0..200).map(|_| budget.charge(Kind::Request, Place::Disk, 0)).collect();
    assert!(small.iter_mut().all(|charge| charge.try_add_on_disk(MIB, space, false)));
    assert!(large.try_add_on_disk(99 * MIB, space, false));
    assert_eq!(budget.state().large_bytes, 100 * MIB);
    assert!(!large.try_add_on_disk(MIB, space, false), "300 MiB are for all requests");
    small.clear();
    assert!(large.try_add_on_disk(100 * MIB, space, false));
    assert!(!large.try_add_on_disk(MIB, space, false), "200 MiB are for large ones");
    drop(large);
    let state = budget.state();
    assert_eq!((state.large_bytes, state.used_bytes(Place::Disk)), (0, 0));
}

#[test]
fn what_slow_bodies_give_up_is_free_for_others_at_once() {
    let budget = Budget::new(FolderLimit::Memory(1600 * MIB));
    let space = Space { free_bytes: 64 << 30, total_bytes: 64 << 30 };
    let mut charges = [0; 3].map(|_| budget.charge(Kind::Request, Place::Disk, 0));
    assert!(charges[0].try_add_on_disk(150 * MIB, space, false));
    let slow = charges[0].mark_slow();
    assert!(!charges[1].try_add_on_disk(100 * MIB, space, false), "another waits longer");
    assert!(charges[1].try_add_on_disk(100 * MIB, space, true));
    assert!(charges[2].try_add_on_disk(100 * MIB, space, false));
    assert!(!charges[2].try_add_on_disk(MIB, space, true), "none is slow any more");
    assert_eq!(budget.state().used_bytes(Place::Disk), 350 * MIB);
    drop((charges, slow));
    assert_eq!(budget.state().slow_bodies.leaving_bytes(), 0);
}

#[test]
fn a_shared_disk_is_not_filled() {
    let budget = Budget::new(FolderLimit::None);
    let capacity = |free_bytes, total_bytes| budget.capacity_bytes(Space { free_bytes, total_bytes }, 0);
    assert_eq!(capacity(100, 100), 85);
    assert_eq!(capacity(60, 100), 45);
    // Nearly full: half of the free space.
    assert_eq!(capacity(10, 100), 5);
}

#[test]
fn requests_and_responses_share_the_memory_limit() {
    let budget = Budget::new(FolderLimit::None);
    let mut request = budget.charge(Kind::Request, Place::Memory, 0);
    let mut answer = budget.charge(Kind::Answer, Place::Memory, 0);
    assert!(answer.try_add_in_memory(MAX_BUFFERED_IN_MEMORY_BYTES - 10));
    assert!(request.try_set_in_memory(10) && !request.try_set_in_memory(11));
    assert!(request.try_set_in_memory(4) && answer.try_add_in_memory(6));
    drop(answer);
    assert_eq!(budget.state().used_bytes(Place::Memory), 4);
}
