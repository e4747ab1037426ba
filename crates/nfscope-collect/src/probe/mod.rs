//! The `probe` collector: reads fields of any function, instruction or tracepoint,
//! by programs that `nfscope-probe` makes.

mod attach;
mod collector;
mod config;
mod record;

pub use collector::{ProbeGroup, ProbeOptions, Prober, Row};
pub use config::Mode;
pub use record::{Bucket, ProbeRecord, ProbeTotals};
