//! A network namespace of our own, for trials and for the trace key.
//!
//! It belongs to one thread of this process: when the process ends, however it
//! ends, the namespace and all tables in it are gone.

use std::sync::mpsc::{Receiver, Sender, channel};

use nfscope_event::Family;
use nfscope_ruleset::netlink::scratch::{ChainSpec, RuleSpec, Table, TableSpec};
use nfscope_ruleset::netns;

use crate::{CollectError, raw};

type Job = Box<dyn FnOnce() + Send>;

/// The namespace and the thread that lives in it, until the last clone is gone.
#[derive(Debug, Clone)]
pub struct Scratch {
    inode: u32,
    jobs: Sender<Job>,
}

impl Scratch {
    /// Makes the namespace, with its loopback device up.
    pub fn new() -> Result<Self, CollectError> {
        let (jobs, inbox) = channel::<Job>();
        let (ready, started) = channel();
        std::thread::Builder::new()
            .name("nfscope-scratch".into())
            .spawn(move || {
                let inode = enter();
                let worked = inode.is_ok();
                if ready.send(inode).is_ok() && worked {
                    work(&inbox);
                }
            })
            .map_err(|source| CollectError::System { what: "cannot start a thread", source })?;
        let inode = started.recv().map_err(|_| gone())??;
        Ok(Self { inode, jobs })
    }

    /// The namespace's inode number.
    pub fn inode(&self) -> u32 {
        self.inode
    }

    /// Runs a piece of work inside the namespace and waits for its result.
    pub fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, CollectError> {
        let (answer, result) = channel();
        let job = Box::new(move || {
            // the asker waits below; if it is gone nobody wants the answer
            let _ = answer.send(job());
        });
        self.jobs.send(job).map_err(|_| gone())?;
        result.recv().map_err(|_| gone())
    }

    /// Lets an Ethernet frame arrive on the namespace's loopback device.
    pub fn arrive(&self, frame: Vec<u8>) -> Result<std::io::Result<()>, CollectError> {
        self.run(move || raw::send_to_loopback(&frame))
    }

    /// Leaves a piece of work to the namespace's thread, in the order of calls.
    pub fn leave(&self, job: impl FnOnce() + Send + 'static) {
        // with the thread gone, so is the namespace and all in it
        let _ = self.jobs.send(Box::new(job));
    }

    /// Turns the kernel's trace key on for as long as the table lives: the
    /// key counts `meta nftrace set` rules in all namespaces. The rule stands
    /// in a chain that no hook calls and would set 0.
    pub fn trace_key(&self) -> Result<Table, CollectError> {
        let spec = TableSpec {
            family: Family::Inet,
            name: "nfscope-trace-key".into(),
            owned: false,
            chains: vec![ChainSpec {
                name: "key".into(),
                hook: None,
                rules: vec![RuleSpec::new().set_nftrace(false)],
            }],
            maps: Vec::new(),
        };
        self.run(move || Table::create(&spec))?.map_err(|e| CollectError::Backend {
            backend: "trace_hook",
            reason: format!("the trace key cannot be turned on: {e}"),
        })
    }
}

fn enter() -> Result<u32, CollectError> {
    let refused = |e: netns::Error| {
        CollectError::Privilege(format!("cannot make a scratch network namespace: {e}"))
    };
    netns::unshare().map_err(refused)?;
    let inode = netns::Handle::current().map_err(refused)?.inode();
    raw::loopback_up()
        .map_err(|source| CollectError::System { what: "cannot bring up loopback", source })?;
    Ok(inode)
}

fn work(inbox: &Receiver<Job>) {
    while let Ok(job) = inbox.recv() {
        job();
    }
}

fn gone() -> CollectError {
    CollectError::System {
        what: "the scratch namespace's thread ended",
        source: std::io::Error::other("it panicked or could not start"),
    }
}
