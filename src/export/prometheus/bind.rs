//! Taking the port, and what to do where it cannot be taken.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Socket, Type};

use super::{Limits, Settings};

/// Connections that wait to be accepted. Of the standard library's 128, a flood leaves no place free, and
/// who finds none tries again after a second.
const BACKLOG: i32 = 1024;

/// What the kernel may keep of an answer for each connection. By itself it keeps megabytes, so that a
/// client that does not read costs memory nobody sees, and looks as if it did read.
const SEND_BUFFER: usize = 256 << 10;

/// How often another free port is tried where one is free at one address of a name, but not at the other.
const PORT_ATTEMPTS: usize = 8;

/// Why the server cannot listen, and what helps.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else has the port.
    #[error(
        "port {port} on {host} is in use by another program; choose another with prometheus.port in the file, \
         OTEL_EXPORTER_PROMETHEUS_PORT, or stop the other program"
    )]
    InUse {
        /// What was to be bound.
        host: String,
        /// The port.
        port: u16,
    },
    /// Only root may have the port.
    #[error(
        "port {port} on {host} needs more rights; choose one from 1024 on with prometheus.port in the file or \
         OTEL_EXPORTER_PROMETHEUS_PORT, or give the capability CAP_NET_BIND_SERVICE"
    )]
    Permission {
        /// What was to be bound.
        host: String,
        /// The port.
        port: u16,
    },
    /// The address is another machine's, or the name nobody's.
    #[error(
        "{host} is not an address of this machine ({source}); set prometheus.bind_address in the file or \
         OTEL_EXPORTER_PROMETHEUS_HOST to localhost, to an address that is, or to 0.0.0.0 for all of them"
    )]
    NotHere {
        /// What was to be bound.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// Something else.
    #[error("cannot listen on {host}, port {port}: {source}")]
    Other {
        /// What was to be bound.
        host: String,
        /// The port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
}

impl BindError {
    fn new(host: &str, port: u16, source: io::Error) -> Self {
        let host = host.to_owned();
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { host, port },
            io::ErrorKind::PermissionDenied => Self::Permission { host, port },
            kind if absent(kind) => Self::NotHere { host, source },
            _ => Self::Other { host, port, source },
        }
    }
}

/// A server that has its ports and does not answer yet.
#[derive(Debug)]
pub struct Server {
    pub(super) listeners: Vec<TcpListener>,
    pub(super) limits: Limits,
    local_addrs: Vec<SocketAddr>,
}

impl Server {
    /// Takes the ports, each at every address of its name that this machine has.
    pub fn bind(settings: &Settings) -> Result<Self, BindError> {
        let usual = [(settings.bind_address.clone(), settings.port)];
        let wanted = if settings.listen.is_empty() { &usual[..] } else { &settings.listen };
        let mut listeners: Vec<TcpListener> = Vec::new();
        let mut local_addrs = Vec::new();
        for (host, port) in wanted {
            let error = |source| BindError::new(host, *port, source);
            let mut addresses = addresses(host).map_err(error)?;
            // A name and an address of it are one place.
            addresses.retain(|address| !local_addrs.contains(&SocketAddr::new(*address, *port)));
            if addresses.is_empty() {
                continue;
            }
            // By itself `::` takes the port of IPv4 as well, and then `0.0.0.0` could not have it.
            let ipv6_only = wanted.iter().any(|(host, of)| of == port && host == "0.0.0.0");
            for listener in bind_all(&addresses, *port, ipv6_only).map_err(error)? {
                local_addrs.push(listener.local_addr().map_err(error)?);
                listeners.push(listener);
            }
        }
        Ok(Self { listeners, limits: settings.limits, local_addrs })
    }

    /// The addresses that are listened to, with the port that was taken.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local_addrs
    }
}

fn addresses(host: &str) -> io::Result<Vec<IpAddr>> {
    // RFC 6761 says what this name is. An image without /etc/hosts could not resolve it.
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let found = (host, 0).to_socket_addrs().map_err(|e| io::Error::new(io::ErrorKind::NotFound, e))?;
    let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

fn bind_all(addresses: &[IpAddr], port: u16, ipv6_only: bool) -> io::Result<Vec<TcpListener>> {
    let mut outcome = bind_once(addresses, port, ipv6_only);
    for _ in 1..PORT_ATTEMPTS {
        match &outcome {
            Err(e) if port == 0 && e.kind() == io::ErrorKind::AddrInUse => {
                outcome = bind_once(addresses, port, ipv6_only);
            }
            _ => break,
        }
    }
    outcome
}

fn bind_once(addresses: &[IpAddr], mut port: u16, ipv6_only: bool) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::with_capacity(addresses.len());
    let mut not_here = io::ErrorKind::AddrNotAvailable.into();
    for &address in addresses {
        match take((address, port).into(), ipv6_only) {
            Ok(listener) => {
                port = listener.local_addr()?.port();
                listeners.push(listener);
            }
            // A machine without IPv6 has no `::1`; the other address will do.
            Err(e) if absent(e.kind()) => not_here = e,
            Err(e) => return Err(e),
        }
    }
    if listeners.is_empty() { Err(not_here) } else { Ok(listeners) }
}

/// Takes one port, as the standard library does, but for what has to be said before.
fn take(address: SocketAddr, ipv6_only: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // The port of an agent that has just ended is free. On Windows it is anyway, and this would be another thing: two
    // agents at one port.
    if cfg!(unix) {
        socket.set_reuse_address(true)?;
    }
    if ipv6_only && address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections inherit it. It is an improvement: a system that refuses it is served, too.
    let _ = socket.set_send_buffer_size(SEND_BUFFER);
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whether an address is not this machine's. EAFNOSUPPORT is what a kernel without IPv6 says.
fn absent(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{AddrNotAvailable, NotFound, Unsupported};
    matches!(kind, AddrNotAvailable | NotFound | Unsupported)
}
