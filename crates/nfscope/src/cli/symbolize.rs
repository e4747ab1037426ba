//! `nfscope symbolize`

use std::path::PathBuf;

use clap::Args;

const EXAMPLES: &str = "\
Examples:
  nfscope symbolize nf_hook_slow+0x3f               function, file and line, with what was inlined
  nfscope symbolize 'nft_do_chain+0x1a8/0x5e0 [nf_tables]'
  nfscope symbolize nf_tables:nft_do_chain+0x1a8    the same place
  nfscope symbolize 0xffffffff81a2b3cf              an address of the running kernel
  dmesg | nfscope symbolize                         a stack or an oops: the text with its lines
  nfscope symbolize --disassemble nft_do_chain      its instructions, as objdump -S shows them
  nfscope symbolize --kernel 6.1.0-50-amd64 ip_rcv  a kernel that is not running, by its files
  nfscope symbolize -e vmlinux ip_rcv+0x20          one file alone; any ELF program or library

Lines need debug information (Debian: linux-image-RELEASE-dbg). Without it function,
offset and section are told, and which package brings it. Servers in DEBUGINFOD_URLS
are asked for what is not installed (by debuginfod-find of elfutils).";

/// Arguments of `nfscope symbolize`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct SymbolizeArguments {
    /// FUNCTION[+OFFSET[/SIZE]], MODULE:FUNCTION+OFFSET, 'FUNCTION+OFFSET [MODULE]',
    /// SECTION+OFFSET or an address; without any, text is read from standard input
    #[arg(value_name = "ADDR")]
    pub addresses: Vec<String>,

    /// Show the machine code of the functions that the addresses are in, with source
    /// lines, jump labels, the ftrace site, and where nfscope's probes sit
    #[arg(long, requires = "addresses", conflicts_with_all = ["return_addresses", "exact"])]
    pub disassemble: bool,

    /// Use these files alone (vmlinux, a module or its .debug file, any ELF
    /// program or library); addresses are the file's own
    #[arg(short = 'e', long = "executable", value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// A kernel that is not running, by its release: from its files alone
    #[arg(long, value_name = "RELEASE", conflicts_with = "files")]
    pub kernel: Option<String>,

    /// Show source text from this tree, too (repeat for several)
    #[arg(long, value_name = "DIR")]
    pub source_tree: Vec<PathBuf>,

    /// Look for debug files here, too, as below /usr/lib/debug (repeat for several)
    #[arg(long, value_name = "DIR")]
    pub debug_root: Vec<PathBuf>,

    /// The addresses are those that calls return to: tell the calls. So it is
    /// with text, but for the place where the processor was (RIP:, pc :, WARNING:)
    #[arg(long)]
    pub return_addresses: bool,

    /// Tell the addresses themselves, also in text
    #[arg(long, conflicts_with = "return_addresses")]
    pub exact: bool,

    /// One JSON object a place, on a line (see docs/symbolize.md)
    #[arg(long)]
    pub json: bool,
}
