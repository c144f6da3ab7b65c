//! A thread that may block on a descriptor which cannot be made to refuse: a root-owned pipe under
//! another uid cannot be reopened (HAZARDS 8). Its queue is bounded; process exit does not wait for
//! it.

use std::io::Write;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use super::sink::PENDING_MAX_BYTES;

pub struct SinkThread {
    records: Option<SyncSender<Vec<u8>>>,
    /// Taken and not yet written.
    pending_bytes: Arc<AtomicUsize>,
}

/// Short records must not make the queue longer than its bytes suggest.
const RECORDS_MAX: usize = 8192;

impl SinkThread {
    pub fn start(fd: BorrowedFd<'_>) -> Self {
        let pending_bytes = Arc::new(AtomicUsize::new(0));
        let records = fd.try_clone_to_owned().ok().and_then(|fd| spawn(fd, pending_bytes.clone()));
        Self { records, pending_bytes }
    }

    /// False where there is no room, or no thread.
    pub fn take(&self, record: &[u8]) -> bool {
        let Some(records) = &self.records else { return false };
        if self.pending_bytes.fetch_add(record.len(), Ordering::AcqRel) + record.len() <= PENDING_MAX_BYTES
            && records.try_send(record.to_vec()).is_ok()
        {
            return true;
        }
        self.pending_bytes.fetch_sub(record.len(), Ordering::AcqRel);
        false
    }

    pub fn is_idle(&self) -> bool {
        self.pending_bytes.load(Ordering::Acquire) == 0
    }
}

fn spawn(fd: OwnedFd, pending_bytes: Arc<AtomicUsize>) -> Option<SyncSender<Vec<u8>>> {
    let (sender, records) = sync_channel::<Vec<u8>>(RECORDS_MAX);
    let mut file = std::fs::File::from(fd);
    let thread = std::thread::Builder::new().name("output".into()).stack_size(64 * 1024).spawn(move || {
        for record in records {
            // A reader that is gone may come back to a named pipe; the next record finds out.
            let _ = file.write_all(&record);
            pending_bytes.fetch_sub(record.len(), Ordering::AcqRel);
        }
    });
    thread.is_ok().then_some(sender)
}
