//! A generated ruleset as data, and its text for `nft -f`.

use super::place::Node;
use super::slot::Column;
use nfscope_event::{Family, NftVerdict};
use std::fmt::Write;

/// The way that leads to a decision; printed with the count of drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Construct {
    Plain,
    AnonymousSet,
    NamedSet,
    IntervalSet,
    Range,
    Mark,
    Jump,
    NestedJump,
    Goto,
    Return,
    AnonymousMap,
    NamedMap,
    IntervalMap,
    ConcatenatedMap,
    MapJump,
    PolicyAtEnd,
    PolicyAfterReturn,
    PolicyAfterGoto,
    Accept,
    Noise,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its text.
    pub text: String,
    /// How it ends a packet, if it does.
    pub verdict: Option<NftVerdict>,
    /// What it is part of.
    pub construct: Construct,
    /// Whether it counts exactly the packets that it ends.
    pub counted: bool,
}

/// A chain.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Name.
    pub name: String,
    /// `type … policy …` of a base chain.
    pub header: Option<String>,
    /// What its drops count for.
    pub column: Column,
    /// The rules in order.
    pub rules: Vec<Rule>,
}

/// A table in a namespace.
#[derive(Debug, Clone)]
pub struct Table {
    /// Namespace.
    pub node: Node,
    /// Family.
    pub family: Family,
    /// Name.
    pub name: &'static str,
    /// Sets, maps and counters.
    pub objects: Vec<String>,
    /// Chains.
    pub chains: Vec<Chain>,
    /// How many names were given in it.
    names: usize,
}

impl Table {
    /// An empty table.
    pub fn new(node: Node, family: Family, name: &'static str) -> Self {
        Self { node, family, name, objects: Vec::new(), chains: Vec::new(), names: 0 }
    }

    /// A name that the table does not have yet.
    fn fresh_name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    /// Adds a set or map and returns its name.
    pub fn add_set(&mut self, kind: &str, types: &str, flags: &str, elements: &str) -> String {
        let name = self.fresh_name("s");
        let body = format!("type {types}; {flags} elements = {elements}");
        self.objects.push(format!("{kind} {name} {{ {body}; }}"));
        name
    }

    /// Adds a named counter and returns its name.
    pub fn add_counter(&mut self) -> String {
        let name = self.fresh_name("k");
        self.objects.push(format!("counter {name} {{ }}"));
        name
    }

    /// Adds a chain without hook and returns its name.
    pub fn add_chain(&mut self, column: Column, rules: Vec<Rule>) -> String {
        let name = self.fresh_name("c");
        self.chains.push(Chain { name: name.clone(), header: None, column, rules });
        name
    }

    /// The table as `nft -f` reads it.
    pub fn text(&self) -> String {
        let mut text = format!("table {} {} {{\n", self.family, self.name);
        let mut line = |depth: usize, words: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{:indent$}{words}", "", indent = depth * 4);
        };
        for object in &self.objects {
            line(1, object);
        }
        for chain in &self.chains {
            line(1, &format!("chain {} {{", chain.name));
            if let Some(header) = &chain.header {
                line(2, header);
            }
            for rule in &chain.rules {
                line(2, &rule.text);
            }
            line(1, "}");
        }
        line(0, "}");
        text
    }
}
