//! How a rule is told from what runs in the kernel: probe points and hooks.

mod mark_rules;
mod netlink_listener;
mod netlink_trace;
mod offsets;
mod points;
mod scratch;
mod self_test;
mod setup;
mod values;

pub(crate) use mark_rules::{
    MARK as MARK_CHAIN, TABLE as MARK_TABLE, place_of_mark, tells as rules_tell,
};
pub(crate) use netlink_listener::{Heard, NetlinkListener, Told};
pub use netlink_trace::NetlinkTrace;
pub use offsets::{nft_offsets, state_offsets, trace_arguments};
pub(crate) use points::all_loaded;
pub use points::{evals, evals_loaded, points_setup};
pub use scratch::Scratch;

pub use self_test::{SelfTest, Trial, udp_port};
pub use setup::{Points, Probe, Setup};
pub use values::{PointValues, ValueAt};
