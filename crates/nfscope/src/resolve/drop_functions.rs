//! tmp
pub fn known_drop(_f: &str) -> Option<&'static str> { None }
