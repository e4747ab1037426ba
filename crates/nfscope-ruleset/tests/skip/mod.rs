//! Tests that this machine cannot run.

/// Says that a test is left out, and why. `make test` sets
/// `NFSCOPE_LEAVE_OUT=nothing` where it runs as root: then it fails instead.
pub fn skip(reason: &str) {
    let nothing = std::env::var("NFSCOPE_LEAVE_OUT").is_ok_and(|what| what == "nothing");
    assert!(!nothing, "cannot run here: {reason}");
    println!("skipped: {reason}");
}
