//! `nfscope-guest probe-paths`: fields for `nfscope probe`, made by chance of the
//! running kernel's types, with the same for bpftrace.

use nfscope_kernel::btf::{Btf, Shape, Tag};

/// Arguments of `nfscope-guest probe-paths`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How many
    #[arg(long, default_value_t = 300)]
    count: usize,
    /// What chance begins with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What is taken for the structs' addresses (repeat for several)
    #[arg(long, default_values_t = ["arg0".to_owned(), "arg1".to_owned()])]
    base: Vec<String>,
}

/// Members on the way, at most.
const DEPTH: usize = 5;
/// Pointers that are followed, at most.
const FOLLOWED: usize = 2;

/// xorshift64*: the same numbers for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end.max(1)
    }
}

/// Prints a line for each: the field, and, if bpftrace can read it too, a tab and
/// how it is asked to.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let btf = Btf::vmlinux()?;
    // of several types of a name it would not be known which is meant
    let only = |(id, name): &(u32, &str)| btf.named(Tag::Struct, name) == Some(*id);
    let structs: Vec<(u32, &str)> = btf.structs().filter(only).collect();
    let mut chance = Chance(arguments.seed | 1);
    let mut made = 0;
    while made < arguments.count {
        let Some((id, name)) = structs.get(chance.below(structs.len())) else { break };
        let Some(base) = arguments.base.get(chance.below(arguments.base.len())) else { break };
        let start = format!("((struct {name} *){base})");
        if let Some((path, comparable)) = path(&btf, *id, start, &mut chance) {
            made += 1;
            match comparable {
                // its first `.` follows a pointer
                true => println!("{path}\t{}", path.replacen(").", ")->", 1)),
                false => println!("{path}"),
            }
        }
    }
    Ok(())
}

/// A way to something that can be printed; `None`: it came to nothing. With it,
/// whether bpftrace prints the same.
fn path(btf: &Btf, mut id: u32, mut path: String, chance: &mut Chance) -> Option<(String, bool)> {
    let (mut followed, mut comparable) = (0, true);
    for _ in 0..DEPTH {
        let members = btf.members(id);
        let member = members.get(chance.below(members.len()))?;
        path.push('.');
        path.push_str(&member.name);
        let mut ty = member.type_id;
        // numbers in network order bpftrace prints as they lie
        let turned = |id| btf.typedefs(id).iter().any(|name| name.starts_with("__be"));
        if let Shape::Array { element, length } = btf.shape(ty) {
            if length == 0 || matches!(btf.shape(element), Shape::Array { .. }) {
                return None;
            }
            path.push_str(&format!("[{}]", chance.below(length as usize)));
            ty = element;
        }
        match btf.shape(ty) {
            Shape::Int { size, .. } if size <= 8 => return Some((path, comparable && !turned(ty))),
            Shape::Enum { .. } => return Some((path, comparable)),
            Shape::Composite { size, .. } if size > 0 => id = ty,
            Shape::Pointer(to) => {
                let composite = matches!(btf.shape(to), Shape::Composite { size, .. } if size > 0);
                if !composite || followed == FOLLOWED || chance.below(2) == 0 {
                    return Some((path, comparable));
                }
                // where chance leads to, values may not stay still
                followed += 1;
                comparable = false;
                id = to;
            }
            _ => return None,
        }
    }
    None
}
