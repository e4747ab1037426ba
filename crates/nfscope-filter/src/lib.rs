//! pcap filter expressions, evaluated in the kernel.
//!
//! libpcap compiles an expression to classic BPF; this crate translates that
//! to eBPF and patches it into a compiled BPF object in place of a stub.
