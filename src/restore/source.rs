//! What is restored: a backup of a repository, or bench's own archives.

use std::path::{Path, PathBuf};
use std::pin::Pin;

use serde_json::{Map, Value};
use tokio::net::unix::pipe;

use super::archive;
use super::load::Loaded;
use super::repository::Repository;
use super::space::Extent;
use super::versions::Versions;
use crate::outcome::{FOREIGN_DATA, Flow, Result, Stopped};
use crate::pod::Pod;

/// bench's own archives, as `bench backup --with-files` writes them.
#[derive(Clone, Debug, Default)]
pub struct Archives {
    /// `…-database.sql.gz`, or plain SQL.
    pub database: Option<PathBuf>,
    /// `…-files.tar` or `.tgz`.
    pub public_files: Option<PathBuf>,
    /// `…-private-files.tar` or `.tgz`.
    pub private_files: Option<PathBuf>,
    /// `…-site_config_backup.json`.
    pub site_config: Option<PathBuf>,
}

/// The source of a restore.
#[derive(Clone, Debug)]
pub enum Source {
    Archives(Archives),
    Repository(Box<Repository>),
}

/// What is known of a source before anything is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    pub extent: Extent,
    pub versions: Versions,
}

/// A dump on its way out of its source.
pub struct Dump {
    pub reader: pipe::Receiver,
    /// The end of the source: an error if it is damaged.
    pub end: Pin<Box<dyn Future<Output = Result<()>>>>,
}

impl Dump {
    /// Waits for the end of the source. The reason why the source ended is more useful than that its dump is cut off;
    /// but a source whose reader stopped says nothing about itself. A stop request ends a source that waits for its server.
    ///
    /// # Errors
    /// The fault of the load, or of the source; a signal.
    pub async fn finish(self, pod: &Pod, loaded: Flow<Loaded>) -> Flow<Loaded> {
        drop(self.reader);
        let ended = pod.shutdown.guard(async { Ok(self.end.await) }).await?;
        match (loaded, ended) {
            (Ok(loaded), Ok(())) => Ok(loaded),
            (Err(Stopped::Fault(fault)), Err(of_source)) if fault.code == FOREIGN_DATA => {
                Err(of_source.into())
            }
            (Ok(_), Err(of_source)) => Err(of_source.into()),
            (Err(stopped), _) => Err(stopped),
        }
    }
}

impl Source {
    /// Names the source for people and for the mark.
    pub fn describe(&self) -> String {
        match self {
            Self::Archives(archives) => format!("archive {}", archives.name()),
            Self::Repository(backup) => format!("backup {}", backup.id()),
        }
    }

    pub fn has_database(&self) -> bool {
        match self {
            Self::Archives(archives) => archives.database.is_some(),
            Self::Repository(_) => true,
        }
    }

    pub fn has_files(&self) -> bool {
        match self {
            Self::Archives(archives) => archives.public_files.is_some() || archives.private_files.is_some(),
            Self::Repository(_) => true,
        }
    }

    /// Checks what can be checked before anything is changed. `site` is the site that archives may be of; None for any.
    ///
    /// # Errors
    /// 65 for an archive that is damaged, unsafe or of another site, 78 for one that is not there.
    pub async fn check(&self, site: Option<&str>) -> Result<Checked> {
        match self {
            Self::Archives(archives) => archive::check(archives, site).await,
            // Its manifest was read, also for its site; its contents are compared while they are restored.
            Self::Repository(backup) => {
                Ok(Checked { extent: Extent::of(&backup.manifest), versions: Versions::of(&backup.manifest) })
            }
        }
    }

    /// Opens the database's dump.
    ///
    /// # Errors
    /// The archive cannot be opened; restic cannot be started.
    pub fn dump(&self, pod: &Pod) -> Result<Dump> {
        match self {
            Self::Archives(archives) => {
                archive::stream(archives.database.as_deref().unwrap_or(Path::new("")))
            }
            Self::Repository(backup) => backup.dump(pod),
        }
    }

    /// Unpacks the files into `folder`: `public/files` and `private/files`.
    ///
    /// # Errors
    /// As [`Source::check`]; 75 on a full disk; the fault of the repository; a signal.
    pub async fn unpack(&self, pod: &Pod, folder: &Path) -> Flow<()> {
        match self {
            Self::Archives(archives) => {
                pod.shutdown.guard(async { Ok(archive::unpack(archives, folder).await?) }).await
            }
            Self::Repository(backup) => backup.unpack(pod, folder).await,
        }
    }

    /// Compares what was loaded with what the backup says about itself.
    ///
    /// # Errors
    /// 65 if they differ.
    pub fn compare(&self, loaded: &Loaded) -> Result<()> {
        match self {
            // bench's archives say nothing about themselves.
            Self::Archives(_) => Ok(()),
            Self::Repository(backup) => backup.compare(loaded),
        }
    }

    /// The installation that the backup is of, if the backup itself says so.
    pub fn installation(&self) -> Option<String> {
        match self {
            Self::Archives(_) => None,
            Self::Repository(backup) => Some(backup.manifest.installation.clone()),
        }
    }

    /// The site's settings at the time of the backup; None if the source has none.
    ///
    /// # Errors
    /// 65 if they cannot be parsed.
    pub fn site_config(&self) -> Result<Option<Map<String, Value>>> {
        match self {
            Self::Archives(archives) => archives.site_config.as_deref().map(archive::site_config).transpose(),
            Self::Repository(backup) => Ok(Some(backup.site_config().clone())),
        }
    }
}

impl Archives {
    /// The archives of files, each with the folder of the site that it has.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &'static str)> {
        let both = [(&self.public_files, "public/files"), (&self.private_files, "private/files")];
        both.into_iter().filter_map(|(path, part)| Some((path.as_deref()?, part)))
    }

    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let all = [&self.database, &self.public_files, &self.private_files, &self.site_config];
        all.into_iter().filter_map(|path| path.as_deref())
    }

    fn name(&self) -> String {
        let all = [&self.database, &self.public_files, &self.private_files];
        let first = all.into_iter().flatten().next();
        first.map(|path| path.display().to_string()).unwrap_or_default()
    }
}
