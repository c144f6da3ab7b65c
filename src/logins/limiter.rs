//! The state machine of the login limit. Failures are counted by user, by address, and by both together.
//!
//! ```text
//!            ┌─ user or address at the limit ───────────▶ Refused
//!  admit ────┼─ at the limit if the pending ones fail ──▶ Later: admit again when one has ended
//!            └─ otherwise ─▶ Pending ─┬─ failed ────▶ counted for user and address
//!                                     ├─ succeeded ─▶ what this user failed from this address is forgiven
//!                                     └─ no result ─▶ not counted
//! ```
//!
//! A success forgives only the failures of the same user from the same address: somebody with an account of his own
//! cannot reset the count of his address, and an attacker's failures do not end with the user's next login.

use std::time::{Duration, Instant};

use super::counts::{Counts, MAX_KEYS, Room};
use crate::config::login_limit::LoginLimit;

/// The hashes by which a login is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    pub user: u64,
    /// None for an address that many clients share.
    pub address: Option<u64>,
    /// User and address together.
    pub pair: u64,
}

/// The count that is at the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    User,
    Address,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The login is pending: its end must be reported.
    Admitted,
    Later,
    Refused(By, Duration),
}

/// The result of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Failed,
    Succeeded,
    NoResult,
}

#[derive(Debug)]
pub struct Limiter {
    users: Counts,
    addresses: Counts,
    pairs: Counts,
}

impl Limiter {
    pub fn new(limit: LoginLimit) -> Self {
        let counts = || Counts::new(limit, MAX_KEYS);
        Self { users: counts(), addresses: counts(), pairs: counts() }
    }

    pub fn admit(&mut self, subject: Subject, now: Instant) -> Admission {
        let of_address = subject.address.map_or(Room::Free, |address| self.addresses.room(address, now));
        match (of_address, self.users.room(subject.user, now)) {
            (Room::Reached(left), _) => Admission::Refused(By::Address, left),
            (_, Room::Reached(left)) => Admission::Refused(By::User, left),
            (Room::Free, Room::Free) => {
                self.users.begin(subject.user, now);
                if let Some(address) = subject.address {
                    self.addresses.begin(address, now);
                }
                Admission::Admitted
            }
            _ => Admission::Later,
        }
    }

    pub fn end(&mut self, subject: Subject, ended: Ended, now: Instant) {
        match ended {
            Ended::Failed => {
                self.users.fail(subject.user, now);
                self.pairs.fail(subject.pair, now);
                if let Some(address) = subject.address {
                    self.addresses.fail(address, now);
                }
            }
            Ended::Succeeded => {
                if let Some((failures, since)) = self.pairs.remove(subject.pair, now) {
                    self.users.forgive(subject.user, failures, since);
                    if let Some(address) = subject.address {
                        self.addresses.forgive(address, failures, since);
                    }
                }
            }
            Ended::NoResult => {}
        }
        self.users.end(subject.user);
        if let Some(address) = subject.address {
            self.addresses.end(address);
        }
    }
}

#[cfg(test)]
mod tests;
