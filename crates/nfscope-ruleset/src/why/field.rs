//! What can be loaded into a register, apart from packet data.

use super::value::{Order, Type};

/// How a sentence about the packet's value begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// `packet has 80`
    Has,
    /// `packet is udp`
    PacketIs,
    /// `is new`
    Is,
    /// `arrived on eth0`
    ArrivedOn,
    /// `leaves by eth0`
    LeavesBy,
    /// `device is of type loopback`
    DeviceIs,
    /// `it is 12:00`
    ItIs,
    /// `was 7`
    Was,
}

impl Says {
    /// The sentence.
    pub(super) fn sentence(self, value: &str) -> String {
        match self {
            Self::Has => format!("packet has {value}"),
            Self::PacketIs => format!("packet is {value}"),
            Self::Is if value.is_empty() => "there is none".into(),
            Self::Is => format!("is {value}"),
            Self::ArrivedOn if value.is_empty() => "no input device".into(),
            Self::ArrivedOn => format!("arrived on {}", device(value)),
            Self::LeavesBy if value.is_empty() => "no output device".into(),
            Self::LeavesBy => format!("leaves by {}", device(value)),
            Self::DeviceIs => format!("device is of type {value}"),
            Self::ItIs => format!("it is {value}"),
            Self::Was => format!("was {value}"),
        }
    }
}

/// An interface by its name, or by its index if that is all that is known.
fn device(value: &str) -> String {
    match value.parse::<u32>() {
        Ok(index) => format!("interface {index}"),
        Err(_) => value.into(),
    }
}

/// A value that nft has words for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// As nft writes it: `ct state`, `meta mark`, `iifname`.
    pub(super) words: String,
    pub(super) kind: Type,
    pub(super) order: Order,
    /// Bytes in the register.
    pub(super) length: usize,
    pub(super) says: Says,
}

impl Field {
    pub(super) fn new(words: impl Into<String>, kind: Type, length: usize, says: Says) -> Self {
        let order = kind.order();
        Self { words: words.into(), kind, order, length, says }
    }

    /// As [`Field::new`], for a value in network order.
    pub(super) fn big(words: impl Into<String>, kind: Type, length: usize, says: Says) -> Self {
        Self { order: Order::Big, ..Self::new(words, kind, length, says) }
    }
}
