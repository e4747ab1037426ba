//! Network namespaces by their inode number: what they are called, how to
//! get into them.
//!
//! A namespace is the file `/proc/PID/ns/net` of its processes, the bind
//! mounts of that file under `/run/netns` (`ip netns`) and
//! `/run/docker/netns`, and has the inode number that all of these show.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where namespaces are kept under a name, most telling first.
const NAMED: [&str; 3] = ["/run/netns", "/run/docker/netns", "/var/run/docker/netns"];

/// `NSFS_MAGIC`, `include/uapi/linux/magic.h`
const NSFS_MAGIC: u32 = 0x6e73_6673;

/// Inode number of a network namespace.
pub type Inode = u32;

/// A network namespace cannot be found or entered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing holds a namespace of that inode where this program can see it.
    #[error(
        "no network namespace {0} is to be found (it may have gone, or belong to processes hidden from this one)"
    )]
    Gone(Inode),
    /// There is no namespace of that name.
    #[error(
        "there is no network namespace named {0:?}: `ip netns list` and `lsns -t net` show what there is; a /proc/PID/ns/net path works too"
    )]
    NoName(String),
    /// A namespace file cannot be opened.
    #[error("cannot open the network namespace {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The namespace cannot be entered.
    #[error("cannot enter a network namespace: {0}; this needs CAP_SYS_ADMIN (sudo)")]
    Enter(io::Error),
}

/// An open network namespace. Keeps it alive.
#[derive(Debug)]
pub struct Handle {
    fd: OwnedFd,
    inode: Inode,
}

impl Handle {
    /// The namespace of the calling thread.
    pub fn current() -> Result<Self, Error> {
        Self::open(Path::new("/proc/thread-self/ns/net"))
    }

    /// A namespace by the path of one of its files.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let wrong = |source| Error::Open { path: path.to_owned(), source };
        let file = File::open(path).map_err(wrong)?;
        let inode = file.metadata().map_err(wrong)?.ino() as Inode;
        Ok(Self { fd: file.into(), inode })
    }

    /// A namespace by inode: this thread's own, a named one, that of another thread
    /// of this process, or that of any process that can be seen.
    pub fn find(inode: Inode) -> Result<Self, Error> {
        // Between finding and opening, the path may come to mean another
        // namespace: what was opened decides.
        let open = |path: PathBuf| Self::open(&path).ok().filter(|handle| handle.inode == inode);
        let own = PathBuf::from("/proc/thread-self/ns/net");
        std::iter::once(own)
            .chain(named().filter(|(_, found)| *found == inode).map(|(path, _)| path))
            .chain(of_own_threads())
            .chain(of_processes().filter(|(_, found)| *found == inode).map(|(path, _)| path))
            .find_map(open)
            .ok_or(Error::Gone(inode))
    }

    /// A namespace as a user names it: `/proc/PID/ns/net` or another path, a
    /// name of `ip netns` or docker, or an inode number.
    pub fn named(name: &str) -> Result<Self, Error> {
        if name.contains('/') {
            return Self::open(Path::new(name));
        }
        let found = NAMED.iter().map(|dir| Path::new(dir).join(name)).find(|p| is_namespace(p));
        match found {
            Some(path) => Self::open(&path),
            None => match name.parse() {
                Ok(inode) => Self::find(inode),
                Err(_) => Err(Error::NoName(name.into())),
            },
        }
    }

    /// Inode number.
    pub fn inode(&self) -> Inode {
        self.inode
    }

    /// Moves the calling thread into the namespace for good.
    pub fn enter(&self) -> Result<(), Error> {
        // SAFETY: no pointers are passed; the descriptor is open.
        let result = unsafe { libc::setns(self.fd.as_raw_fd(), libc::CLONE_NEWNET) };
        if result < 0 { Err(Error::Enter(io::Error::last_os_error())) } else { Ok(()) }
    }

    /// Runs `work` with the calling thread in the namespace, then moves the
    /// thread back. If it cannot be moved back the work's result is lost and
    /// the thread must be given up.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> Result<T, Error> {
        let home = Self::current()?;
        if home.inode == self.inode {
            return Ok(work());
        }
        self.enter()?;
        let guard = Return(&home);
        let result = work();
        guard.now()?;
        Ok(result)
    }

    /// The name of the namespace's device with an index.
    pub fn device_name(&self, index: u32) -> Option<String> {
        let mut name = [0_u8; libc::IF_NAMESIZE];
        let found = self.within(|| {
            // SAFETY: the buffer has the room that the function may fill.
            let end = unsafe { libc::if_indextoname(index, name.as_mut_ptr().cast()) };
            !end.is_null()
        });
        let name = CStr::from_bytes_until_nul(&name).ok()?;
        found.ok()?.then(|| name.to_string_lossy().into_owned())
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Moves the thread home, also when the work panics.
struct Return<'a>(&'a Handle);

impl Return<'_> {
    fn now(self) -> Result<(), Error> {
        let home = self.0;
        std::mem::forget(self);
        home.enter()
    }
}

impl Drop for Return<'_> {
    fn drop(&mut self) {
        // Only reached while panicking: there is nobody to tell.
        let _ = self.0.enter();
    }
}

/// Moves the calling thread into a new, empty network namespace that lives as
/// long as a thread or handle does that holds it.
pub fn unshare() -> Result<(), Error> {
    // SAFETY: no pointers are passed.
    let result = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    if result < 0 { Err(Error::Enter(io::Error::last_os_error())) } else { Ok(()) }
}

/// Names of namespaces, as they were when [`Names::scan`] looked.
#[derive(Debug, Default, Clone)]
pub struct Names(HashMap<Inode, String>);

impl Names {
    /// Looks where named namespaces are kept.
    pub fn scan() -> Self {
        let mut names = HashMap::new();
        for (path, inode) in named() {
            let Some(name) = path.file_name() else { continue };
            names.entry(inode).or_insert_with(|| name.to_string_lossy().into_owned());
        }
        Self(names)
    }

    /// The name of a namespace, if it has one.
    pub fn get(&self, inode: Inode) -> Option<&str> {
        self.0.get(&inode).map(String::as_str)
    }
}

/// Every namespace that can be seen, this thread's own first, each once.
pub fn all() -> Vec<Inode> {
    let own = Handle::current().map(|handle| handle.inode());
    let others = named().chain(of_processes()).map(|(_, inode)| inode);
    let mut seen = HashSet::new();
    own.into_iter().chain(others).filter(|inode| seen.insert(*inode)).collect()
}

/// Namespaces that a name or a process other than this one and its children
/// holds.
pub fn held_by_others() -> HashSet<Inode> {
    let own = std::process::id();
    let others = of_processes().filter(|(path, _)| {
        let process = path.ancestors().nth(2).unwrap_or(path);
        let id = process.file_name().and_then(|name| name.to_str()?.parse().ok());
        id != Some(own) && parent(process) != Some(own)
    });
    named().chain(others).map(|(_, inode)| inode).collect()
}

/// The parent's id: the second field behind the command in `/proc/PID/stat`.
fn parent(process: &Path) -> Option<u32> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn entries(dir: &str) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn named() -> impl Iterator<Item = (PathBuf, Inode)> {
    NAMED.iter().flat_map(|dir| entries(dir)).filter(|path| is_namespace(path)).filter_map(|path| {
        let inode = fs::metadata(&path).ok()?.ino();
        Some((path, inode as Inode))
    })
}

fn of_own_threads() -> impl Iterator<Item = PathBuf> {
    entries("/proc/self/task").map(|thread| thread.join("ns/net"))
}

fn of_processes() -> impl Iterator<Item = (PathBuf, Inode)> {
    entries("/proc").filter_map(|process| {
        let name = process.file_name()?.as_bytes();
        if !name.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let path = process.join("ns/net");
        let inode = fs::metadata(&path).ok()?.ino();
        Some((path, inode as Inode))
    })
}

/// Whether a file is a namespace: under `/run/netns` a file whose mount is
/// gone is an ordinary one, with an inode number that means nothing.
fn is_namespace(path: &Path) -> bool {
    let Ok(name) = CString::new(path.as_os_str().as_bytes()) else { return false };
    let mut about = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the name ends with a zero and the result has room for a statfs.
    if unsafe { libc::statfs(name.as_ptr(), about.as_mut_ptr()) } < 0 {
        return false;
    }
    // SAFETY: statfs succeeded, so it filled the structure.
    let about = unsafe { about.assume_init() };
    about.f_type as u32 == NSFS_MAGIC
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_its_own_namespace() {
        let own = Handle::current().unwrap();
        assert_eq!(Handle::find(own.inode()).unwrap().inode(), own.inode());
        assert_eq!(all().first(), Some(&own.inode()));
        assert_eq!(own.within(|| 5).unwrap(), 5);
        assert_eq!(own.device_name(u32::MAX), None);
    }

    #[test]
    fn says_what_is_not_there() {
        assert!(matches!(Handle::find(1), Err(Error::Gone(1))));
        assert!(matches!(Handle::named("no such name"), Err(Error::NoName(_))));
        assert!(matches!(Handle::named("/no/such/path"), Err(Error::Open { .. })));
        assert!(!is_namespace(Path::new("/proc/self/status")));
    }
}
