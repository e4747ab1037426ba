//! What programs send, by a ring buffer.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use libbpf_rs::ErrorKind::{Interrupted, WouldBlock};
use libbpf_rs::{Object, RingBuffer, RingBufferBuilder};

use crate::{CollectError, object};

/// Records that one call hands out: with more the caller would not come to
/// look at its signals while packets keep coming.
const AT_ONCE: usize = 8_192;

/// The records of an object's map `ring`, parsed.
pub struct Records<T> {
    ring: RingBuffer<'static>,
    queue: Rc<RefCell<Vec<T>>>,
}

impl<T: 'static> Records<T> {
    /// `parse`: from a record's bytes; none if it is not understood.
    pub fn of(object: &Object, parse: fn(&[u8]) -> Option<T>) -> Result<Self, CollectError> {
        let map = object::map(object, "ring")?;
        let queue = Rc::new(RefCell::new(Vec::new()));
        let theirs = Rc::clone(&queue);
        let mut builder = RingBufferBuilder::new();
        builder
            .add(&map, move |bytes| {
                let mut queue = theirs.borrow_mut();
                queue.extend(parse(bytes));
                // the rest is for the next call
                if queue.len() < AT_ONCE { 0 } else { -libc::EAGAIN }
            })
            .map_err(CollectError::load)?;
        Ok(Self { ring: builder.build().map_err(CollectError::load)?, queue })
    }

    /// Waits up to `timeout` for records and returns them in the order in
    /// which the kernel made them.
    pub fn poll(&mut self, timeout: Duration) -> Result<Vec<T>, CollectError> {
        match self.ring.poll(timeout) {
            Err(e) if !matches!(e.kind(), Interrupted | WouldBlock) => {
                return Err(CollectError::load(e));
            }
            _ => {}
        }
        // some programs wake nobody while the ring has room
        match self.ring.consume() {
            Err(e) if e.kind() != WouldBlock => return Err(CollectError::load(e)),
            _ => {}
        }
        Ok(self.queue.take())
    }
}
