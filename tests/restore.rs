//! `restore`: a site from bench's archives and from backups, over an empty installation and over a site that is there;
//! damaged archives, kills, stops, and the way back; verifications, here and on another server.

mod support;

#[path = "restore/archives.rs"]
mod archives;
#[path = "restore/clock.rs"]
mod clock;
#[path = "restore/damaged.rs"]
mod damaged;
#[path = "restore/damaged_repository.rs"]
mod damaged_repository;
#[path = "restore/elsewhere.rs"]
mod elsewhere;
#[path = "restore/interrupted.rs"]
mod interrupted;
#[path = "restore/kills.rs"]
mod kills;
#[path = "restore/other_archives.rs"]
mod other_archives;
#[path = "restore/policies.rs"]
mod policies;
#[path = "restore/repository.rs"]
mod repository;
#[path = "restore/s3.rs"]
mod s3;
#[path = "restore/sound.rs"]
mod sound;
#[path = "restore/space.rs"]
mod space;
#[path = "restore/stage.rs"]
mod stage;
#[path = "restore/stop.rs"]
mod stop;
#[path = "restore/unpacking.rs"]
mod unpacking;
#[path = "restore/verify.rs"]
mod verify;
#[path = "restore/waiting.rs"]
mod waiting;
