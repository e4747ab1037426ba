//! Namespaces of processes and names. Needs root.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod skip;

use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use nfscope_ruleset::netns::{self, Handle, Names};
use skip::skip;

fn is_root() -> bool {
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        skip("needs root for a network namespace");
    }
    root
}

/// A process in a network namespace of its own.
fn process_elsewhere() -> Child {
    let own = Handle::current().unwrap().inode();
    let child = Command::new("unshare").args(["-n", "sleep", "60"]).spawn().unwrap();
    let path = format!("/proc/{}/ns/net", child.id());
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::fs::metadata(&path).unwrap().ino() as u32 == own {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn root_a_process_namespace_is_found_and_entered() {
    if !is_root() {
        return;
    }
    let mut child = process_elsewhere();
    let path = format!("/proc/{}/ns/net", child.id());
    let inode = Handle::named(&path).unwrap().inode();
    assert!(netns::all().contains(&inode));
    assert!(!netns::held_by_others().contains(&inode), "a child's does not count");
    let handle = Handle::find(inode).unwrap();
    let own = Handle::current().unwrap().inode();
    let devices = handle.within(|| {
        assert_eq!(Handle::current().unwrap().inode(), inode);
        std::fs::read_to_string("/proc/thread-self/net/dev").unwrap().lines().count()
    });
    assert_eq!(devices.unwrap(), 3, "two lines of heading, and lo");
    assert_eq!(Handle::current().unwrap().inode(), own);
    child.kill().unwrap();
    child.wait().unwrap();
    drop(handle);
    assert!(matches!(Handle::find(inode), Err(netns::Error::Gone(_))));
}

#[test]
fn root_a_panic_within_a_namespace_comes_home() {
    if !is_root() {
        return;
    }
    let mut child = process_elsewhere();
    let handle = Handle::named(&format!("/proc/{}/ns/net", child.id())).unwrap();
    let own = Handle::current().unwrap().inode();
    let work = std::panic::AssertUnwindSafe(|| handle.within(|| panic!("on purpose")));
    assert!(std::panic::catch_unwind(work).is_err());
    assert_eq!(Handle::current().unwrap().inode(), own);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn root_names_are_those_of_ip_netns() {
    if !is_root() {
        return;
    }
    thread::spawn(|| {
        // In mounts of the thread's own, so that nobody else sees the name.
        // SAFETY: no pointers are passed.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNS) }, 0);
        let run = |program: &str, arguments: &str| {
            let status = Command::new(program).args(arguments.split(' ')).status().unwrap();
            assert!(status.success(), "{program} {arguments}");
        };
        run("mount", "--make-rprivate /");
        run("mkdir", "-p /run/netns");
        run("mount", "-t tmpfs none /run/netns");
        run("ip", "netns add nfscope-test");
        std::fs::write("/run/netns/stale", "").unwrap();
        let handle = Handle::named("nfscope-test").unwrap();
        let names = Names::scan();
        assert_eq!(names.get(handle.inode()), Some("nfscope-test"));
        assert_eq!(Handle::find(handle.inode()).unwrap().inode(), handle.inode());
        assert_eq!(Handle::named(&handle.inode().to_string()).unwrap().inode(), handle.inode());
        assert!(netns::held_by_others().contains(&handle.inode()));
        assert!(matches!(Handle::named("stale"), Err(netns::Error::NoName(_))));
    })
    .join()
    .unwrap();
}
