//! Loads filters into the running kernel and compares what they say with libpcap.
//!
//! Needs root, and at build time clang and the feature `kernel-test`:
//! `cargo build -p nfscope-filter --example compare_in_kernel --features kernel-test`.
//! Arguments: packets per filter (default 1000), generated expressions (60), random
//! classic BPF programs (60), seed (1). Prints a table, then a sum; fails on the
//! first difference.

use std::error::Error;
use std::os::fd::AsFd;
use std::time::Instant;

use libbpf_rs::query::{ProgInfoIter, ProgInfoQueryOptions};
use libbpf_rs::{MapCore, MapFlags, MapHandle, Object, ObjectBuilder, ProgramInput};
use nfscope_filter::{ClassicInsn, FRAME_CAPACITY, classic, patch, translate};

#[path = "../tests/common/mod.rs"]
mod common;

use common::Random;
use common::expressions::{EXPRESSIONS, generated, long};
use common::packets::{Kind, Packet, packet};
use common::programs::program;

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/stub.bpf.o"));

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    let mut number = |default: u64| args.next().map_or(Ok(default), |arg| arg.parse());
    let packets = number(1000)? as usize;
    let (combinations, programs) = (number(60)? as usize, number(60)? as usize);
    let seed = number(1)?;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    println!("kernel {}, seed {seed}", kernel.trim());
    println!("classic eBPF loaded verified  load ms matched  expression");
    let mut random = Random::new(seed);
    let sets = [Kind::Any, Kind::Sane].map(|kind| Set::new(&mut random, kind, packets));
    let [any, sane] = sets;
    let (any, sane) = (any?, sane?);
    let mut filters: Vec<(String, Vec<ClassicInsn>)> = Vec::new();
    let mut extra = generated(&mut random, combinations);
    extra.push(long());
    for expression in EXPRESSIONS.iter().map(|e| (*e).to_string()).chain(extra) {
        let program = classic(&expression)?;
        filters.push((expression, program));
    }
    for number in 0..programs {
        let length = 1 + random.below(60);
        filters.push((format!("random program {number}"), program(&mut random, length)));
    }
    let (mut runs, mut matched) = (0, 0);
    for (name, program) in &filters {
        let set = if name.contains("protochain") { &sane } else { &any };
        matched += set.compare(name, program)?;
        runs += set.packets.len();
    }
    let filters = filters.len();
    println!("ok: {filters} filters, {runs} packets, {matched} matched, no difference");
    Ok(())
}

/// Packets, in user space and in a map of the kernel.
struct Set {
    packets: Vec<Packet>,
    map: MapHandle,
}

impl Set {
    fn new(random: &mut Random, kind: Kind, count: usize) -> Outcome<Self> {
        let packets: Vec<Packet> = (0..count).map(|_| packet(random, kind)).collect();
        let object = ObjectBuilder::default().open_memory(OBJECT)?.load()?;
        let map = object.maps().next().ok_or("the object has no map")?;
        let map = MapHandle::try_from(&map)?;
        for (number, packet) in packets.iter().enumerate() {
            let mut value = Vec::with_capacity(8 + FRAME_CAPACITY as usize);
            value.extend((packet.bytes.len() as u32).to_ne_bytes());
            value.extend(packet.wirelen.to_ne_bytes());
            value.extend(packet.buffer());
            map.update(&(number as u32).to_ne_bytes(), &value, MapFlags::ANY)?;
        }
        Ok(Self { packets, map })
    }

    fn compare(&self, expression: &str, program: &[ClassicInsn]) -> Outcome<usize> {
        let compiled = translate(program)?;
        let mut bytes = OBJECT.to_vec();
        patch(&mut bytes, "packet_filter", &compiled.insns)?;
        let start = Instant::now();
        let object = self.load(&bytes).map_err(|e| format!("`{expression}`: {e}"))?;
        let load = start.elapsed();
        let run = object.progs_mut().next().ok_or("the object has no program")?;
        let mut matched = 0;
        for (number, packet) in self.packets.iter().enumerate() {
            let mut context = [number as u64, 0].map(u64::to_ne_bytes).concat();
            let output = run.test_run(ProgramInput {
                context_in: Some(&mut context),
                ..ProgramInput::default()
            })?;
            let expected = common::libpcap_matches(program, &packet.bytes, packet.wirelen);
            if output.return_value != u32::from(expected) {
                return Err(format!(
                    "`{expression}`: libpcap says {expected}, the kernel {} to packet {number}: {packet:02x?}",
                    output.return_value
                )
                .into());
            }
            matched += usize::from(expected);
        }
        let (loaded, verified) = newest_program()?;
        println!(
            "{:7} {:4} {loaded:6} {verified:8} {:8.1} {matched:7}  {expression}",
            program.len(),
            compiled.insns.len(),
            load.as_secs_f64() * 1e3,
        );
        Ok(matched)
    }

    fn load(&self, bytes: &[u8]) -> Outcome<Object> {
        let mut open = ObjectBuilder::default().open_memory(bytes)?;
        for mut map in open.maps_mut() {
            map.reuse_fd(self.map.as_fd())?;
        }
        Ok(open.load()?)
    }
}

/// Instructions of the program loaded last, after and during its verification.
fn newest_program() -> Outcome<(usize, u32)> {
    let options = ProgInfoQueryOptions::default().include_xlated_prog_insns(true);
    let last = ProgInfoIter::with_query_opts(options).last().ok_or("no program is loaded")?;
    Ok((last.xlated_prog_insns.len() / 8, last.verified_insns))
}
