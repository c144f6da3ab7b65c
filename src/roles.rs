//! What a role runs, how it is asked whether it works, and how it is stopped.

pub mod current;
mod role_context;
pub mod scheduler;
mod sizing;
pub mod socketio;
mod stopping;
pub mod web;
pub mod worker;

pub use self::role_context::RoleContext;

/// What a container can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Web,
    Worker,
    Scheduler,
    Socketio,
}

impl Role {
    /// In the order in which `all` starts them.
    pub const ALL: [Self; 4] = [Self::Web, Self::Worker, Self::Scheduler, Self::Socketio];

    pub fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Worker => worker::ROLE,
            Self::Scheduler => scheduler::ROLE,
            Self::Socketio => socketio::ROLE,
        }
    }
}
