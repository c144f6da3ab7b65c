//! Whether there is a repository, and making one.

use std::time::Duration;

use super::reason::Kind;
use super::run::{Restic, Words};
use crate::outcome::{Flow, Stopped};

/// The time for the first answer of the storage server. restic itself would try for 15 minutes.
const OPEN_TIMEOUT: Duration = Duration::from_secs(90);

/// Whether the place holds a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    There,
    Absent,
}

impl Restic<'_> {
    /// Opens the repository with its password. Changes nothing.
    ///
    /// # Errors
    /// 77 for a wrong password or wrong credentials, 69 if the server does not answer, 78 for a bucket or a folder that
    /// does not exist; a signal.
    pub async fn open(&self) -> Flow<Presence> {
        self.check_folder()?;
        let words = Words::new(["cat", "config", "--no-lock"]);
        let ran = self.run_within(words, Some(OPEN_TIMEOUT)).await?;
        match ran.success() {
            true => Ok(Presence::There),
            false if ran.reason().kind == Kind::Absent => Ok(Presence::Absent),
            false => Err(self.fault("cannot open the backup repository", &ran).into()),
        }
    }

    /// Makes the repository. Another pod may make it at the same time.
    ///
    /// # Errors
    /// 78 for a folder with other files, 65 for one with the rest of a repository; as [`open`](Self::open).
    pub async fn create(&self) -> Flow<()> {
        self.check_is_empty()?;
        let ran = self.run(Words::new(["init"])).await?;
        if ran.success() || ran.reason().kind == Kind::AlreadyThere {
            return Ok(());
        }
        Err(self.fault("cannot make the backup repository", &ran).into())
    }

    /// Removes the locks of dead processes: restic's own judgement, by the process on this machine, and by age.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn unlock_dead(&self) -> Flow<()> {
        self.succeed("cannot remove dead locks in", Words::new(["unlock"])).await.map(drop)
    }

    /// [`unlock_dead`](Self::unlock_dead) before a snapshot is made: a killed `forget` leaves a lock that excludes it. Without
    /// the right to remove locks, restic itself says whether one is in the way.
    ///
    /// # Errors
    /// A signal.
    pub async fn make_way(&self) -> Flow<()> {
        match self.unlock_dead().await {
            Err(Stopped::Fault(_)) => Ok(()),
            done => done,
        }
    }
}
