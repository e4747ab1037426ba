//! Ctrl-C and its like end a command in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Whether somebody asked us to end.
#[derive(Debug, Clone)]
pub struct Signals(Arc<AtomicBool>);

impl Signals {
    /// Catches SIGINT, SIGTERM and SIGHUP. A second one ends the process at
    /// once.
    pub fn install() -> std::io::Result<Self> {
        let raised = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&raised))?;
            signal_hook::flag::register(signal, Arc::clone(&raised))?;
        }
        Ok(Self(raised))
    }

    /// Whether one came.
    pub fn raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
