//! The roles: what each runs, how it is probed, and how it is stopped.

pub mod current;
mod role_context;
pub mod scheduler;
mod sizing;
pub mod socketio;
mod stopping;
pub mod web;
pub mod worker;

pub use self::role_context::RoleContext;
use crate::status::handle::RoleName;

/// The roles that a container can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Web,
    Worker,
    Scheduler,
    Socketio,
}

impl Role {
    /// All roles, in the order in which `all` starts them.
    pub const ALL: [Self; 4] = [Self::Web, Self::Worker, Self::Scheduler, Self::Socketio];

    pub fn name(self) -> RoleName {
        match self {
            Self::Web => RoleName::Web,
            Self::Worker => RoleName::Worker,
            Self::Scheduler => RoleName::Scheduler,
            Self::Socketio => RoleName::Socketio,
        }
    }
}
