//! What asks a running agent to stop, and to read its configuration anew.

#[cfg_attr(windows, path = "signals/windows.rs")]
#[cfg_attr(not(windows), path = "signals/unix.rs")]
mod system;

pub(super) use system::Signals;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// To send what waits and end.
    Stop,
    /// To read the configuration anew. Windows has no signal for it.
    Reload,
}
