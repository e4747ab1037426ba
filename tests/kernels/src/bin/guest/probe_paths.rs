//! `nfscope-guest probe-paths`: fields for `nfscope probe`, made by chance of the
//! running kernel's types, with the same for bpftrace.

use std::collections::{HashMap, HashSet};

use nfscope_kernel::btf::{Btf, Part, Shape, Tag};

/// Arguments of `nfscope-guest probe-paths`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How many
    #[arg(long, default_value_t = 300)]
    count: usize,
    /// What chance begins with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The function's first argument, a pointer
    #[arg(long)]
    argument: String,
    /// The struct that it points to
    #[arg(long)]
    of: String,
}

/// Members on the way, at most.
const DEPTH: usize = 6;
/// Pointers that are followed, at most.
const FOLLOWED: usize = 3;
/// Ways that may come to nothing before there is something wrong.
const VAIN: usize = 100_000;
/// Members whose names bpftrace takes for words of its language.
const WORDS: [&str; 24] = [
    "break",
    "config",
    "continue",
    "else",
    "enum",
    "false",
    "for",
    "if",
    "import",
    "int8",
    "int16",
    "int32",
    "int64",
    "let",
    "macro",
    "offsetof",
    "return",
    "sizeof",
    "struct",
    "true",
    "union",
    "unroll",
    "while",
    "watchpoint",
];

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

/// A field, as both programs are asked for it.
struct Path {
    ours: String,
    theirs: String,
    /// The next member is one of what a pointer points to.
    pointer: bool,
    /// How many bits count.
    bits: u32,
    /// bpftrace prints them as they lie, in network order.
    turned: bool,
    /// bpftrace can be asked for it.
    comparable: bool,
}

/// Prints a line for each: the field; and, if bpftrace can read it too, behind tabs
/// how it is asked to, how many bits count, and whether it has them turned (1).
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let btf = Btf::vmlinux()?;
    let root = btf.named(Tag::Struct, &arguments.of);
    let root = root.ok_or_else(|| anyhow::anyhow!("no struct {}", arguments.of))?;
    // of several types of a name it would not be known which is meant
    let mut named: HashMap<&str, u32> = HashMap::new();
    for (_, name) in btf.structs() {
        *named.entry(name).or_default() += 1;
    }
    let structs: Vec<(u32, &str)> = btf.structs().filter(|(_, name)| named[name] == 1).collect();
    let mut chance = Chance(arguments.seed | 1);
    let mut seen = HashSet::new();
    for _ in 0..VAIN {
        if seen.len() == arguments.count {
            return Ok(());
        }
        // one half begins where the argument points to, one at any struct there
        let whole = chance.below(2) == 0;
        let any = structs.get(chance.below(structs.len())).copied();
        let (id, name) = any.filter(|_| !whole).unwrap_or((root, &arguments.of));
        let ours = match whole {
            true => arguments.argument.clone(),
            false => format!("((struct {name} *){})", arguments.argument),
        };
        let theirs = format!("((struct {name} *)arg0)");
        let (bits, turned, comparable) = (64, false, true);
        let start = Path { ours, theirs, pointer: true, bits, turned, comparable };
        let Some(path) = walk(&btf, id, start, &mut chance) else { continue };
        if seen.insert(path.ours.clone()) {
            let Path { ours, theirs, bits, turned, .. } = path;
            match path.comparable {
                true => println!("{ours}\t{theirs}\t{bits}\t{}", u8::from(turned)),
                false => println!("{ours}"),
            }
        }
    }
    anyhow::bail!("only {} fields came about", seen.len())
}

/// Goes on to something that can be printed; `None`: it came to nothing.
fn walk(btf: &Btf, mut id: u32, mut path: Path, chance: &mut Chance) -> Option<Path> {
    let mut followed = 0;
    for _ in 0..DEPTH {
        // bpftrace does not find all that is in a type without a name
        path.comparable &= btf.tag_name(id).is_some();
        let members = btf.members(id);
        let member = members.get(chance.below(members.len()))?;
        let ty = path.enter(btf, member, chance)?;
        match btf.shape(ty) {
            Shape::Int { size, .. } | Shape::Enum { size, .. } if size <= 8 => {
                path.bits = member.width.unwrap_or(8 * size);
                path.turned = btf.typedefs(ty).iter().any(|name| name.starts_with("__be"));
                return Some(path);
            }
            Shape::Composite { size, .. } if size > 0 => id = ty,
            Shape::Pointer(to) => {
                let composite = matches!(btf.shape(to), Shape::Composite { size, .. } if size > 0);
                if !composite || followed == FOLLOWED || chance.below(4) == 0 {
                    return Some(path);
                }
                followed += 1;
                path.pointer = true;
                id = to;
            }
            _ => return None,
        }
    }
    None
}

impl Path {
    /// Goes on to a member, of an array to one of its elements; its type.
    fn enter(&mut self, btf: &Btf, member: &Part, chance: &mut Chance) -> Option<u32> {
        let mut add = |ours: &str, theirs: &str| {
            self.ours.push_str(ours);
            self.theirs.push_str(theirs);
        };
        add(".", if self.pointer { "->" } else { "." });
        add(&member.name, &member.name);
        self.pointer = false;
        self.comparable &= !WORDS.contains(&member.name.as_str());
        let Shape::Array { element, length } = btf.shape(member.type_id) else {
            return Some(member.type_id);
        };
        if length == 0 || matches!(btf.shape(element), Shape::Array { .. }) {
            return None;
        }
        let index = format!("[{}]", chance.below(length as usize));
        add(&index, &index);
        // arrays of bytes may be texts to bpftrace, which have no elements
        self.comparable &= btf.size_of(element) != Some(1);
        Some(element)
    }
}
