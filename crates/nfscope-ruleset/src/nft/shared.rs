//! What a namespace's worker and the askers share.

use std::collections::HashSet;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::store::Store;
use crate::netns::Inode;

/// More sentences than this nobody reads.
const MOST_NOTICES: usize = 100;

/// Tells askers that something has changed, and collects notices.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    state: Mutex<SignalState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct SignalState {
    count: u64,
    notices: Vec<String>,
    /// What was said already.
    said: HashSet<String>,
}

impl Signal {
    /// Something has changed.
    pub(crate) fn notify(&self) {
        lock(&self.state).count += 1;
        self.changed.notify_all();
    }

    /// Waits until something changes, at most `timeout`. Says whether it did.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        let state = lock(&self.state);
        let before = state.count;
        let same = |state: &mut SignalState| state.count == before;
        let result = self.changed.wait_timeout_while(state, timeout, same);
        let (_guard, result) = result.unwrap_or_else(PoisonError::into_inner);
        !result.timed_out()
    }

    /// Leaves a sentence for the user, once.
    pub(crate) fn notice(&self, text: String) {
        let mut state = lock(&self.state);
        if state.said.len() < MOST_NOTICES && state.said.insert(text.clone()) {
            state.notices.push(text);
        }
    }

    /// Takes the sentences left so far.
    pub(crate) fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.state).notices)
    }
}

/// A namespace's ruleset, and a way to wake its worker.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) inode: Inode,
    pub(crate) signal: Arc<Signal>,
    state: Mutex<State>,
    wake: PipeWriter,
    awake: AtomicBool,
    hurry: AtomicBool,
    stop: AtomicBool,
}

/// The ruleset, and whether its worker lives.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) store: Store,
    /// When the worker ended (monotonic ns), why.
    pub(crate) ended: Option<(u64, String)>,
}

impl Shared {
    /// A namespace whose worker listens at the returned pipe.
    pub(crate) fn new(
        inode: Inode,
        signal: Arc<Signal>,
        with_text: bool,
    ) -> io::Result<(Self, PipeReader)> {
        let (reader, wake) = io::pipe()?;
        let state = Mutex::new(State { store: Store::new(with_text), ended: None });
        let [awake, hurry, stop] = [const { AtomicBool::new(false) }; 3];
        Ok((Self { inode, signal, state, wake, awake, hurry, stop }, reader))
    }

    /// The ruleset. Held for as short as possible.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Has the worker look what has changed.
    pub(crate) fn wake(&self) {
        if !self.awake.swap(true, Ordering::AcqRel) {
            // If the worker is gone nobody is to be woken.
            let _ = (&self.wake).write(&[0]);
        }
    }

    /// Takes the wake-up off the pipe. In this order: a wake-up that comes
    /// before the mark is cleared is one of the caller's next look anyway;
    /// cleared first, it could be read here and leave the mark set for good.
    pub(crate) fn woken(&self, pipe: &mut PipeReader) {
        // Nothing can be wrong with a pipe whose both ends are here.
        let _ = pipe.read(&mut [0; 16]);
        self.awake.swap(false, Ordering::AcqRel);
    }

    /// Has the worker spare nobody any more: the last askers wait.
    pub(crate) fn hurry(&self) {
        self.hurry.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether the last askers wait.
    pub(crate) fn hurried(&self) -> bool {
        self.hurry.load(Ordering::Acquire)
    }

    /// Has the worker end.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether the worker is to end.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// What a panicking thread left is still the best there is.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys;
    use std::os::fd::AsFd;
    use std::thread;

    #[test]
    fn no_wake_up_is_lost() {
        let (shared, mut pipe) = Shared::new(1, Arc::default(), false).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| (0..100_000).for_each(|_| shared.wake()));
            scope.spawn(|| (0..100_000).for_each(|_| shared.wake()));
            let mut looks = 0;
            while sys::poll(&[pipe.as_fd()], Some(Duration::from_millis(300))).unwrap()[0] {
                shared.woken(&mut pipe);
                looks += 1;
            }
            assert!(looks > 0);
        });
        shared.stop();
        assert!(sys::poll(&[pipe.as_fd()], Some(Duration::from_millis(300))).unwrap()[0]);
    }
}
