//! Finds `nft_do_chain`'s stack frame from the tracepoint's program, by the
//! trial's packets (`drop/frame.h`).

mod layout;
mod seen;

pub use layout::FrameLayout;
pub use seen::Seen;
