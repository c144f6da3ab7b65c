//! Connects the client of a WebSocket with the socketio service, once both have switched protocols.
//!
//! A WebSocket has no limit of time, but ends with either side: a client that ignores the end of the service, or that
//! reads nothing, keeps neither its place nor descriptors.

use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::time::timeout;

use super::bounds::{CLOSE_GRACE, MAX_CONSUME_TIME};
use super::conn::Conn;
use super::metrics::DropReason;
use super::shared::Shared;
use super::slots::Slot;

const BUFFER_BYTES: usize = 8 * 1024;

/// What a WebSocket has until it ends: the place of its connection, and a slot.
pub type Held = (Arc<Conn>, Slot);

/// Copies bytes in both directions until one side has closed, and then for a moment what the other one still sends.
pub async fn connect(client: OnUpgrade, service: OnUpgrade, shared: Arc<Shared>, _held: Held) {
    let (Ok(client), Ok(service)) = tokio::join!(client, service) else { return };
    let (from_client, to_client) = split(TokioIo::new(client));
    let (from_service, to_service) = split(TokioIo::new(service));
    let (mut sending, mut receiving) =
        (Box::pin(copy(from_client, to_service)), Box::pin(copy(from_service, to_client)));
    let received = tokio::select! {
        received = &mut receiving => match received {
            Copied::ToTheEnd => {
                let _ = timeout(CLOSE_GRACE, sending).await;
                Copied::ToTheEnd
            }
            Copied::Stalled => Copied::Stalled,
        },
        _ = &mut sending => timeout(CLOSE_GRACE, receiving).await.unwrap_or(Copied::ToTheEnd),
    };
    if received == Copied::Stalled {
        shared.metrics.count_drop(DropReason::UnreadAnswer);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copied {
    /// One of the two was closed.
    ToTheEnd,
    /// The reader took nothing for too long.
    Stalled,
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> Copied {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let writing = async {
            to.write_all(&buffer[..count]).await?;
            to.flush().await
        };
        match timeout(MAX_CONSUME_TIME, writing).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Copied::ToTheEnd,
            Err(_) => return Copied::Stalled,
        }
    }
    let _ = timeout(CLOSE_GRACE, to.shutdown()).await;
    Copied::ToTheEnd
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_ends_the_copy() {
        let (mut source, from) = duplex(64);
        let (to, mut reader) = duplex(64);
        let copying = tokio::spawn(copy(from, to));
        source.write_all(&[1; 64]).await.unwrap();
        let mut taken = [0; 64];
        reader.read_exact(&mut taken).await.unwrap();
        // More than both buffers hold.
        let _ = timeout(MAX_CONSUME_TIME * 2, source.write_all(&[1; 256])).await;
        assert_eq!(copying.await.unwrap(), Copied::Stalled);
    }

    #[tokio::test(start_paused = true)]
    async fn a_copy_ends_with_its_source() {
        let (mut source, from) = duplex(64);
        let (to, mut reader) = duplex(64);
        let copying = tokio::spawn(copy(from, to));
        source.write_all(b"last").await.unwrap();
        drop(source);
        let mut taken = Vec::new();
        reader.read_to_end(&mut taken).await.unwrap();
        assert_eq!((&taken[..], copying.await.unwrap()), (&b"last"[..], Copied::ToTheEnd));
    }
}
