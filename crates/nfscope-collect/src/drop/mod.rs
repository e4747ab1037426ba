//! Dropped packets: `skb:kfree_skb` and the rules behind it.

mod collector;
mod config;
mod frame;
mod options;
mod record;
mod trial;

pub use collector::DropCollector;
pub use config::{Config, NftOffsets, TraceArguments};
pub use options::{DropOptions, Losses};
pub use record::{DropRecord, LegacyPart, NftPart, Note};
pub(crate) use record::{NAME_SIZE, base_part, nft_part};
