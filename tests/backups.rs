//! Backups into a real restic repository: what they contain, what a kill leaves, what is forgotten, what is refused, who waits for whom.

mod support;

#[path = "backups/clock.rs"]
mod clock;
#[path = "backups/contents.rs"]
mod contents;
#[path = "backups/forget.rs"]
mod forget;
#[path = "backups/kills.rs"]
mod kills;
#[path = "backups/refusals.rs"]
mod refusals;
#[path = "backups/repository.rs"]
mod repository;
#[path = "backups/s3.rs"]
mod s3;
#[path = "backups/turns.rs"]
mod turns;
