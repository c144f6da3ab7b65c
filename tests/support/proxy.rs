//! A TCP proxy in front of a server, to simulate network failures: it stalls or resets connections.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};

const PASSES: u8 = 0;
const STALLS: u8 = 1;
const RESETS: u8 = 2;
const ENDED: u8 = 3;
/// The interval at which a thread that waits for bytes or connections notices a change.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    target: u16,
    mode: AtomicU8,
    connections: Mutex<Vec<Arc<Connection>>>,
}

struct Connection {
    client: TcpStream,
    server: TcpStream,
    cut: AtomicBool,
}

impl Proxy {
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, super::port::free())).expect("a proxy's port");
        let port = listener.local_addr().expect("an address").port();
        listener.set_nonblocking(true).expect("a listener to poll");
        let shared =
            Arc::new(Shared { target, mode: AtomicU8::new(PASSES), connections: Mutex::new(Vec::new()) });
        let for_accepting = shared.clone();
        thread::spawn(move || for_accepting.accept(&listener));
        Self { port, shared }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops the transfer of all bytes; connections stay open, and new ones are accepted.
    pub fn stall(&self) {
        self.shared.mode.store(STALLS, Ordering::SeqCst);
    }

    /// Resets every connection, also new ones.
    pub fn reset(&self) {
        self.shared.mode.store(RESETS, Ordering::SeqCst);
        self.shared.cut_all();
    }

    /// Transfers bytes again.
    pub fn pass(&self) {
        self.shared.mode.store(PASSES, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.mode.store(ENDED, Ordering::SeqCst);
        self.shared.cut_all();
    }
}

impl Shared {
    fn mode(&self) -> u8 {
        self.mode.load(Ordering::SeqCst)
    }

    fn accept(self: Arc<Self>, listener: &TcpListener) {
        while self.mode() != ENDED {
            match listener.accept() {
                Ok((client, _)) => self.join(client),
                Err(_) => thread::sleep(LOOK_AGAIN),
            }
        }
    }

    fn join(self: &Arc<Self>, client: TcpStream) {
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, self.target));
        let (Ok(server), true) = (server, self.mode() != RESETS) else { return resets_when_closed(&client) };
        for end in [&client, &server] {
            end.set_nonblocking(false).expect("a connection to wait on");
            end.set_read_timeout(Some(LOOK_AGAIN)).expect("a connection to wait on");
        }
        let connection = Arc::new(Connection { client, server, cut: AtomicBool::new(false) });
        self.connections.lock().expect("the connections").push(connection.clone());
        for upwards in [true, false] {
            let (shared, connection) = (self.clone(), connection.clone());
            thread::spawn(move || {
                let Connection { client, server, .. } = &*connection;
                let (from, to) = if upwards { (client, server) } else { (server, client) };
                shared.carry(from, to, &connection.cut);
            });
        }
    }

    /// Transfers one direction until either end closes or the connection is cut.
    fn carry(&self, mut from: &TcpStream, mut to: &TcpStream, cut: &AtomicBool) {
        let is_cut = || cut.load(Ordering::SeqCst);
        let mut bytes = [0; 16 * 1024];
        loop {
            let read = from.read(&mut bytes);
            while self.mode() == STALLS && !is_cut() {
                thread::sleep(LOOK_AGAIN);
            }
            if is_cut() {
                return;
            }
            match read {
                Ok(count) if count > 0 && to.write_all(&bytes[..count]).is_ok() => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                // A half-closed connection is closed: PostgreSQL has no half-open sessions.
                _ => break,
            }
        }
        for end in [from, to] {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    fn cut_all(&self) {
        for connection in self.connections.lock().expect("the connections").drain(..) {
            resets_when_closed(&connection.client);
            resets_when_closed(&connection.server);
            connection.cut.store(true, Ordering::SeqCst);
        }
    }
}

/// Makes closing send RST instead of FIN.
fn resets_when_closed(stream: &TcpStream) {
    let _ = setsockopt(stream, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 });
}
