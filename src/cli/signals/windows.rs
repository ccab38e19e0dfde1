//! Ctrl-C, Ctrl-Break, a console that is closed and a system that shuts down stop.

use std::io;

use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown,
};

use super::Asked;

pub(in crate::cli) struct Signals {
    key: CtrlC,
    other_key: CtrlBreak,
    close: CtrlClose,
    shutdown: CtrlShutdown,
}

impl Signals {
    pub(in crate::cli) fn catch() -> io::Result<Self> {
        Ok(Self {
            key: ctrl_c()?,
            other_key: ctrl_break()?,
            close: ctrl_close()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    /// What the next one asks for.
    pub(in crate::cli) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.key.recv() => {}
            _ = self.other_key.recv() => {}
            _ = self.close.recv() => {}
            _ = self.shutdown.recv() => {}
        }
        Asked::Stop
    }
}
