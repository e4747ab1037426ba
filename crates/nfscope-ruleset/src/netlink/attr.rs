//! Netlink attributes (`struct nlattr`, `include/uapi/linux/netlink.h`).
//!
//! ```text
//! u16 length (header included)  u16 type | 0x8000 nested | 0x4000 big-endian
//! payload, padded to 4 bytes
//! ```
//! nf_tables keeps its integers big-endian.

/// `NLA_F_NESTED`
const NESTED: u16 = 0x8000;
/// `NLA_TYPE_MASK`
const TYPE_MASK: u16 = 0x3fff;
/// Size of `struct nlattr`.
const HEADER: usize = 4;

/// Rounds up to netlink's alignment.
pub(crate) const fn align(length: usize) -> usize {
    (length + 3) & !3
}

/// One attribute of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Type number, flags taken off.
    pub kind: u16,
    /// Payload without padding.
    pub payload: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// The attributes nested in this one.
    pub fn nested(self) -> Attributes<'a> {
        Attributes::new(self.payload)
    }

    /// A byte.
    pub fn u8(self) -> Option<u8> {
        self.payload.first().copied()
    }

    /// A big-endian 16-bit number.
    pub fn u16(self) -> Option<u16> {
        Some(u16::from_be_bytes(self.payload.get(..2)?.try_into().ok()?))
    }

    /// A big-endian 32-bit number.
    pub fn u32(self) -> Option<u32> {
        Some(u32::from_be_bytes(self.payload.get(..4)?.try_into().ok()?))
    }

    /// A big-endian 64-bit number.
    pub fn u64(self) -> Option<u64> {
        Some(u64::from_be_bytes(self.payload.get(..8)?.try_into().ok()?))
    }

    /// A string up to its first zero byte; what is not UTF-8 is replaced.
    pub fn string(self) -> String {
        let end = self.payload.iter().position(|&b| b == 0).unwrap_or(self.payload.len());
        String::from_utf8_lossy(&self.payload[..end]).into_owned()
    }
}

/// Attributes in a row. Ends at the first one that does not fit.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// Reads attributes from `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The first attribute of that type.
    pub fn get(self, kind: u16) -> Option<Attribute<'a>> {
        let mut all = self;
        all.find(|a| a.kind == kind)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let header = self.rest.get(..HEADER)?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & TYPE_MASK;
        let payload = self.rest.get(HEADER..length)?;
        self.rest = self.rest.get(align(length)..).unwrap_or_default();
        Some(Attribute { kind, payload })
    }
}

/// Appends attributes to a message under construction.
#[derive(Debug)]
pub struct AttributeWriter<'a> {
    bytes: &'a mut Vec<u8>,
    too_long: &'a mut bool,
}

impl<'a> AttributeWriter<'a> {
    pub(crate) fn new(bytes: &'a mut Vec<u8>, too_long: &'a mut bool) -> Self {
        Self { bytes, too_long }
    }

    /// Raw bytes.
    pub fn bytes(&mut self, kind: u16, payload: &[u8]) {
        self.write(kind, |w| w.bytes.extend_from_slice(payload));
    }

    /// A byte.
    pub fn u8(&mut self, kind: u16, value: u8) {
        self.bytes(kind, &[value]);
    }

    /// A big-endian 32-bit number.
    pub fn u32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// A big-endian 64-bit number.
    pub fn u64(&mut self, kind: u16, value: u64) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// A string with its terminating zero.
    pub fn string(&mut self, kind: u16, value: &str) {
        self.write(kind, |w| {
            w.bytes.extend_from_slice(value.as_bytes());
            w.bytes.push(0);
        });
    }

    /// Attributes within an attribute.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut AttributeWriter<'_>)) {
        self.write(kind | NESTED, fill);
    }

    fn write(&mut self, kind: u16, fill: impl FnOnce(&mut AttributeWriter<'_>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; HEADER]);
        fill(self);
        match u16::try_from(self.bytes.len() - start) {
            Ok(length) => {
                self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
                self.bytes[start + 2..start + HEADER].copy_from_slice(&kind.to_ne_bytes());
            }
            Err(_) => *self.too_long = true,
        }
        self.bytes.resize(align(self.bytes.len()), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_it_reads() {
        let (mut bytes, mut too_long) = (Vec::new(), false);
        let mut writer = AttributeWriter::new(&mut bytes, &mut too_long);
        writer.string(1, "abcde");
        writer.nest(2, |w| {
            w.u32(3, 7);
            w.u64(4, 1 << 40);
        });
        writer.u8(5, 9);
        assert!(!too_long);
        let all: Vec<_> = Attributes::new(&bytes).collect();
        assert_eq!(all.len(), 3);
        assert_eq!(all[0].string(), "abcde");
        assert_eq!(all[1].nested().get(3).and_then(Attribute::u32), Some(7));
        assert_eq!(all[1].nested().get(4).and_then(Attribute::u64), Some(1 << 40));
        assert_eq!(all[2].u8(), Some(9));
        assert_eq!(all[2].u32(), None);
    }

    #[test]
    fn an_attribute_over_64_kib_is_noticed() {
        let (mut bytes, mut too_long) = (Vec::new(), false);
        AttributeWriter::new(&mut bytes, &mut too_long).bytes(1, &[0; 70_000]);
        assert!(too_long);
    }

    #[test]
    fn a_length_below_the_header_ends_the_list() {
        assert_eq!(Attributes::new(&[3, 0, 1, 0, 0, 0, 0, 0]).count(), 0);
        assert_eq!(Attributes::new(&[8, 0, 1, 0, 0, 0, 0]).count(), 0);
    }
}
