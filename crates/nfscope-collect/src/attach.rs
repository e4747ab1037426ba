//! Kprobes on many functions.

use std::io;

use libbpf_rs::{Link, ProgramMut};

use crate::raw;

/// What became of attaching.
#[derive(Default)]
pub struct Attached {
    /// The links.
    pub links: Vec<Link>,
    /// Functions that the kernel refused.
    pub refused: usize,
    /// Its last refusal.
    pub error: Option<io::Error>,
}

impl Attached {
    /// Counts one attempt.
    pub fn take(&mut self, link: io::Result<Link>) {
        match link {
            Ok(link) => self.links.push(link),
            Err(error) => {
                self.refused += 1;
                self.error = Some(error);
            }
        }
    }

    /// One program for all. One function that cannot be probed makes the kernel
    /// refuse all: it is found by halves.
    pub fn together(&mut self, program: &ProgramMut<'_>, addresses: &[u64], returns: bool) {
        match raw::attach_kprobe_multi(program, addresses, returns) {
            Ok(link) => self.links.push(link),
            Err(error) if addresses.len() <= 1 || !is_of_a_function(&error) => {
                self.refused += addresses.len();
                self.error = Some(error);
            }
            Err(_) => {
                let (front, back) = addresses.split_at(addresses.len() / 2);
                self.together(program, front, returns);
                self.together(program, back, returns);
            }
        }
    }

    /// A kprobe for each.
    pub fn each(&mut self, program: &ProgramMut<'_>, addresses: &[u64]) {
        for address in addresses {
            self.take(raw::attach_kprobe_at(program, *address));
        }
    }
}

/// Whether the kernel may have refused for one of the functions only.
fn is_of_a_function(error: &io::Error) -> bool {
    let all = [libc::EOPNOTSUPP, libc::EPERM, libc::EACCES, libc::ENOMEM, libc::EMFILE];
    error.raw_os_error().is_some_and(|code| !all.contains(&code))
}
