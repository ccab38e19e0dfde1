//! Counts of TCP sockets.

/// How many sockets are in each state, by the kernel's number (`include/net/tcp_states.h`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpStates([u64; 13]);

impl TcpStates {
    /// Counts a socket. A number past the kernel's last state is none.
    pub fn add(&mut self, state: u8) {
        if let Some(count) = self.0.get_mut(usize::from(state)) {
            *count += 1;
        }
    }

    /// How many are in a state.
    pub fn of(&self, state: u8) -> u64 {
        self.0.get(usize::from(state)).copied().unwrap_or_default()
    }
}
