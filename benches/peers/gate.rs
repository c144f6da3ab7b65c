//! A port in front of a real server that opens on request.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::support::port;

pub struct Gate {
    port: u16,
    behind: SocketAddr,
    closed: Arc<AtomicBool>,
}

impl Gate {
    /// A closed port: connections are refused.
    pub fn before(port_behind: u16) -> Self {
        let behind = SocketAddr::from((Ipv4Addr::LOCALHOST, port_behind));
        Self { port: port::free(), behind, closed: Arc::default() }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Opens the port: connections from now on reach the server.
    pub fn open(&self) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).expect("the gate's own port");
        let (behind, closed) = (self.behind, self.closed.clone());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if closed.load(Ordering::Relaxed) {
                    return;
                }
                let _ = forward(client, behind);
            }
        });
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        // Wakes the accepting thread.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// Copies in both directions until either side closes.
fn forward(client: TcpStream, behind: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(behind)?;
    for (mut from, mut to) in
        [(client.try_clone()?, server.try_clone()?), (server.try_clone()?, client.try_clone()?)]
    {
        to.set_nodelay(true)?;
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}
