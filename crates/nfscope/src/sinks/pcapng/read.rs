//! Events out of a pcapng file that nfscope wrote.

use nfscope_event::Event;

use super::frame;
use super::{BYTE_ORDER_MAGIC, MARK, OPTION_COMMENT, OPTION_END, PACKET, SECTION, TAG_INSERTED};

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It does not start as a little-endian pcapng file does.
    #[error("this is not a pcapng file of nfscope; files of other programs have no verdicts")]
    NotPcapng,
    /// A block's length does not fit, as in a file that was cut off.
    #[error("the file is damaged or cut off at byte {0}; what was read before is complete")]
    Damaged(usize),
    /// A packet's JSON comment is no event, as in a file of a newer version.
    #[error("the verdict of the packet at byte {0} cannot be read: {1}")]
    Verdict(usize, serde_json::Error),
}

/// The events of a file, in order; packets of other programs are skipped. An
/// error is the last item.
pub fn read(file: &[u8]) -> impl Iterator<Item = Result<Event, ReadError>> {
    let mut reader = Reader { file, at: 0, over: false };
    std::iter::from_fn(move || reader.next_event())
}

struct Reader<'a> {
    file: &'a [u8],
    at: usize,
    over: bool,
}

impl Reader<'_> {
    fn next_event(&mut self) -> Option<Result<Event, ReadError>> {
        while !self.over && self.at < self.file.len() {
            let step = self.step().transpose();
            if let Some(result) = step {
                self.over = result.is_err();
                return Some(result);
            }
        }
        None
    }

    /// Reads one block: an event, or something else.
    fn step(&mut self) -> Result<Option<Event>, ReadError> {
        let at = self.at;
        let bad = if at == 0 { ReadError::NotPcapng } else { ReadError::Damaged(at) };
        let Some((kind, body)) = block(self.file, at) else { return Err(bad) };
        if at == 0 && kind != SECTION {
            return Err(ReadError::NotPcapng);
        }
        self.at += body.len() + 12;
        match kind {
            SECTION if u32_at(body, 0) != Some(BYTE_ORDER_MAGIC) => Err(ReadError::NotPcapng),
            PACKET => packet(body).ok_or(bad)?.transpose().map_err(|e| ReadError::Verdict(at, e)),
            _ => Ok(None),
        }
    }
}

/// `None`: damaged; `Some(None)`: another program's packet.
fn packet(body: &[u8]) -> Option<Option<Result<Event, serde_json::Error>>> {
    let captured = usize::try_from(u32_at(body, 12)?).ok()?;
    let frame = body.get(20..)?.get(..captured)?;
    let options = body.get(20 + captured.next_multiple_of(4)..)?;
    let Some(machine) = comments(options).find_map(|text| text.strip_prefix(MARK)) else {
        return Some(None);
    };
    let (tag_inserted, json) = match machine.strip_prefix(TAG_INSERTED) {
        Some(json) => (true, json),
        None => (false, machine),
    };
    let mut event = serde_json::from_str(json);
    if let Ok(Event::Drop(drop)) = &mut event {
        let packet = &mut drop.packet;
        packet.bytes = frame::unframe(frame, packet.link.is_some(), tag_inserted);
    }
    Some(Some(event))
}

/// Type and body of the block at `at`.
fn block(file: &[u8], at: usize) -> Option<(u32, &[u8])> {
    let rest = file.get(at..)?;
    let length = usize::try_from(u32_at(rest, 4)?).ok()?;
    if length < 12 || length % 4 != 0 || u32_at(rest, length - 4)? != u32_at(rest, 4)? {
        return None;
    }
    Some((u32_at(rest, 0)?, rest.get(8..length - 4)?))
}

fn comments(mut options: &[u8]) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        loop {
            let (code, length) = (u16_at(options, 0)?, usize::from(u16_at(options, 2)?));
            let value = options.get(4..)?.get(..length)?;
            options = options.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
            match code {
                OPTION_END => return None,
                OPTION_COMMENT => return Some(std::str::from_utf8(value).unwrap_or_default()),
                _ => {}
            }
        }
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}
