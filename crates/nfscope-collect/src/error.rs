//! Why a collector could not start.

/// What failed when a collector was started; each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The BPF object could not be opened or loaded.
    #[error("cannot load the BPF programs: {reason}")]
    Load {
        /// What libbpf and the kernel's verifier said, shortened.
        reason: String,
    },
    /// A program could not be attached.
    #[error("cannot attach to {place}: {reason}")]
    Attach {
        /// Function and offset, or tracepoint.
        place: String,
        /// What the kernel said.
        reason: String,
    },
    /// The packet filter could not be put into the programs.
    #[error("cannot put the filter into the BPF programs: {0}")]
    Filter(String),
    /// A capability or privilege is missing.
    #[error("{0}")]
    Privilege(String),
    /// No backend could be used.
    #[error("backend {backend} cannot be used here: {reason}")]
    Backend {
        /// Which.
        backend: &'static str,
        /// One sentence.
        reason: String,
    },
    /// None of a command's backends works here; why, and what does.
    #[error("{0}")]
    NoBackend(String),
    /// The kernel would skip the programs for what other tasks do meanwhile.
    #[error("another task can interrupt its programs")]
    Interruptible,
    /// A system call failed.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
}

impl CollectError {
    pub(crate) fn load(error: impl std::fmt::Display) -> Self {
        Self::Load { reason: error.to_string() }
    }
}
