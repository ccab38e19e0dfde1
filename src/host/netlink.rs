//! TCP sockets by state, asked of the kernel by `NETLINK_SOCK_DIAG` (sock_diag(7)), as `ss` does.
//!
//! The kernel answers with 80 bytes a socket of the agent's own network namespace. Nothing is formatted and
//! nothing has to be read back from text, which makes it several times cheaper than `/proc/net/tcp`; and it
//! needs no privilege. Walking `/proc/<pid>/fd`, which other agents do, is a hundred times dearer.

use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use super::Error;
pub use super::tcp::TcpStates;

/// What errors name instead of a file.
const SOURCE: &str = "NETLINK_SOCK_DIAG";

/// A dump is made while it is read, so the kernel never lets us wait; this is for a kernel that does.
const PATIENCE: Duration = Duration::from_millis(500);

/// The kernel fills messages of up to this size, and larger buffers stay empty (`netlink_dump`).
const BUFFER: usize = 32 << 10;

/// `struct nlmsghdr`: length, type, flags, sequence, port; see netlink(7).
const HEADER: usize = 16;
/// `struct nlmsghdr` and `struct inet_diag_req`.
const REQUEST: usize = HEADER + 60;
/// Where the wanted states stand in a request.
const STATES: usize = HEADER + 52;

/// The older of two requests: it answers for IPv4 and IPv6 at once, while `SOCK_DIAG_BY_FAMILY` walks the
/// whole hash table of connections (a million empty places on a large host) once for each.
const TCPDIAG_GETSOCK: u16 = 18;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP_REQUEST: u16 = 0x1 | 0x300;

/// Counts the TCP sockets (IPv4 and IPv6) of the agent's own network namespace that are in one of the
/// `wanted` states (a bit for each number).
pub fn tcp_states(wanted: u32) -> Result<TcpStates, Error> {
    let mut states = TcpStates::default();
    dump(wanted, &mut states).map_err(|e| Error::io(SOURCE, e.into()))?;
    Ok(states)
}

fn dump(wanted: u32, states: &mut TcpStates) -> Result<(), Errno> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    let mut answer = vec![0; BUFFER];
    rustix::net::send(&socket, &request(wanted), SendFlags::empty())?;
    loop {
        let (_, len) = match rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty()) {
            Err(Errno::INTR) => continue,
            received => received?,
        };
        if count(answer.get(..len).ok_or(Errno::MSGSIZE)?, states)? == Dump::Done {
            return Ok(());
        }
    }
}

/// A request for the TCP sockets in the wanted states, in the machine's byte order.
fn request(wanted: u32) -> [u8; REQUEST] {
    let mut bytes = [0; REQUEST];
    bytes[..4].copy_from_slice(&(REQUEST as u32).to_ne_bytes());
    bytes[4..6].copy_from_slice(&TCPDIAG_GETSOCK.to_ne_bytes());
    bytes[6..8].copy_from_slice(&DUMP_REQUEST.to_ne_bytes());
    bytes[STATES..STATES + 4].copy_from_slice(&wanted.to_ne_bytes());
    bytes
}

/// Whether the kernel has more to say.
#[derive(Debug, PartialEq, Eq)]
enum Dump {
    More,
    Done,
}

/// Counts the sockets of one datagram, which holds several messages.
fn count(mut datagram: &[u8], states: &mut TcpStates) -> Result<Dump, Errno> {
    if datagram.is_empty() {
        return Ok(Dump::Done);
    }
    while let Some((header, rest)) = datagram.split_at_checked(HEADER) {
        let len = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let body = len.checked_sub(HEADER).and_then(|len| rest.get(..len)).ok_or(Errno::BADMSG)?;
        match u16::from_ne_bytes([header[4], header[5]]) {
            NLMSG_DONE => return Ok(Dump::Done),
            NLMSG_ERROR => return Err(error(body)),
            // `struct inet_diag_msg` begins with the family and the state.
            TCPDIAG_GETSOCK => states.add(*body.get(1).ok_or(Errno::BADMSG)?),
            _ => {}
        }
        // Messages begin at multiples of four.
        datagram = datagram.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Dump::More)
}

/// The errno of an error message, which carries it negated.
fn error(body: &[u8]) -> Errno {
    match body {
        [a, b, c, d, ..] => match i32::from_ne_bytes([*a, *b, *c, *d]).checked_neg() {
            Some(code @ 1..4096) => Errno::from_raw_os_error(code),
            _ => Errno::BADMSG,
        },
        _ => Errno::BADMSG,
    }
}

/// Counts the sockets of what claims to be the kernel's answer, for the fuzzer.
#[cfg(fuzzing)]
#[doc(hidden)]
pub fn fuzz(datagram: &[u8]) {
    let _ = count(datagram, &mut TcpStates::default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: u32 = 0xfff;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn a_socket_that_listens_and_one_that_is_connected_are_counted() {
        let before = tcp_states(ALL).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let six = std::net::TcpListener::bind("[::1]:0").ok();
        let after = tcp_states(ALL).unwrap();
        // Other tests of this process open and close sockets meanwhile, so only growth can be asserted.
        assert!(after.of(1) >= 2 && after.of(10) > u64::from(six.is_some()), "{before:?} {after:?}");
        drop(client);
    }

    #[test]
    fn a_state_that_is_not_wanted_is_not_sent() {
        let _listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(tcp_states(ALL & !(1 << 10)).unwrap().of(10), 0);
    }

    #[test]
    fn several_messages_of_one_datagram_are_counted_until_the_end() {
        let mut states = TcpStates::default();
        let datagram = [message(18, &[2, 1, 0]), message(18, &[10, 6]), message(99, &[])].concat();
        assert_eq!(count(&datagram, &mut states), Ok(Dump::More));
        assert_eq!(count(&message(3, &[0; 4]), &mut states), Ok(Dump::Done));
        assert_eq!((states.of(1), states.of(6), states.of(0)), (1, 1, 0));
    }

    #[test]
    fn an_error_of_the_kernel_is_its_errno() {
        let refused = message(2, &(-2_i32).to_ne_bytes());
        assert_eq!(count(&refused, &mut TcpStates::default()), Err(Errno::NOENT));
        assert_eq!(count(&message(2, &[0]), &mut TcpStates::default()), Err(Errno::BADMSG));
    }

    proptest! {
        #[test]
        fn no_datagram_panics_or_loops(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = count(&bytes, &mut TcpStates::default());
        }
    }
}
