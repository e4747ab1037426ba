use nfscope_event::decode::{Frame, OffloadedVlan};
use nfscope_event::{Event, Packet};
use proptest::prelude::*;

use super::*;
use crate::sinks::{Sink, samples};

fn file(events: &[Event]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sink = Pcapng::new(&mut out).unwrap();
    events.iter().for_each(|event| sink.event(event).unwrap());
    sink.finish().unwrap();
    out
}

fn back(file: &[u8]) -> Vec<Event> {
    read(file).map(Result::unwrap).collect()
}

/// A tagged Ethernet frame: `offloaded` tags in the skb, `inside` in the bytes.
fn tagged(offloaded: bool, inside: bool) -> Event {
    let mut bytes = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    if inside {
        bytes.extend([0x81, 0, 0, 9]);
    }
    bytes.extend([8, 0, 0x45, 0, 0, 20, 0, 0, 0, 0, 1, 59, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    let tag = OffloadedVlan { protocol: 0x8100, tci: 0x6007 };
    let offloaded_vlan = offloaded.then_some(tag);
    let frame = Frame { ethertype: 0x0800, has_link: true, bytes: &bytes, offloaded_vlan };
    let mut drop = samples::drop_of(samples::rule());
    drop.packet = Packet::from_frame(1, 20, 0, &frame);
    Event::Drop(Box::new(drop))
}

#[test]
fn everything_comes_back() {
    let mut events = samples::all();
    events.extend([tagged(false, false), tagged(true, false), tagged(true, true)]);
    events.push(tagged(false, true));
    assert_eq!(back(&file(&events)), events);
}

#[test]
fn an_offloaded_tag_is_in_the_file_where_it_was_on_the_wire() {
    let file = file(&[tagged(true, true)]);
    let frame = [0, 1, 0x81, 0, 0x60, 7, 0x81, 0, 0, 9, 8, 0, 0x45];
    assert!(file.windows(frame.len()).any(|window| window == frame), "{file:02x?}");
}

#[test]
fn an_interface_is_written_once() {
    let events = [samples::rule(), samples::policy(), tagged(false, false), samples::notice()];
    let file = file(&events);
    let mut at = 0;
    let mut kinds = Vec::new();
    while at < file.len() {
        let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        kinds.push(word(at));
        at += word(at + 4) as usize;
    }
    assert_eq!(kinds, [SECTION, INTERFACE, PACKET, PACKET, PACKET, INTERFACE, PACKET]);
}

#[test]
fn a_file_that_is_cut_off_gives_what_is_whole() {
    let events = samples::all();
    let file = file(&events);
    let read: Vec<_> = read(&file[..file.len() - 5]).collect();
    assert_eq!(read.len(), events.len());
    assert!(matches!(read.last(), Some(Err(ReadError::Damaged(_)))));
}

#[test]
fn other_files_are_refused() {
    assert!(read(&[]).next().is_none());
    for other in [&b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00"[..], b"text", &[0; 40]] {
        assert!(matches!(read(other).next(), Some(Err(ReadError::NotPcapng))));
    }
}

proptest! {
    #[test]
    fn damaged_files_are_read_without_a_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let mut file = file(&[samples::rule(), tagged(true, true), samples::notice()]);
        for (index, byte) in changes {
            let at = index.index(file.len());
            file[at] = byte;
        }
        prop_assert!(read(&file).count() <= 4);
    }
}
