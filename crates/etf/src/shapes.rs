//! The shapes of maps: a trie of keys.

use std::collections::HashMap;

use crate::heap;
use crate::shape_numbers::number_of;
use crate::tape::{self, SHAPE_LENGTH_BITS, Tape};

/// Larger tries are dropped after the message.
const MAX_JOINED: usize = 1 << 20;
const MAX_NODES: usize = 4096;

pub(crate) const ROOT: u32 = 0;

#[derive(Clone, Default)]
struct Node {
    parent: u32,
    depth: u32,
    atoms: bool,
    known: bool,
    key: Box<[u8]>,
    /// The most recently used child.
    last: u32,
    shape: u32,
    /// The keys, joined by NUL; empty until a map ends here.
    joined: Box<[u8]>,
    number: u32,
}

pub(crate) struct ShapeTrie {
    nodes: Vec<Node>,
    children: HashMap<(u32, bool, Box<[u8]>), u32>,
    used: Vec<u32>,
    joined: usize,
}

pub(crate) enum Step {
    Node(u32),
    None,
    Duplicate,
}

impl Default for ShapeTrie {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], children: HashMap::new(), used: Vec::new(), joined: 0 }
    }
}

impl ShapeTrie {
    pub(crate) fn reset(&mut self) {
        for node in self.used.drain(..) {
            self.nodes[node as usize].shape = 0;
        }
        if self.nodes.len() > MAX_NODES || self.joined > MAX_JOINED {
            *self = Self::default();
        }
    }

    #[inline]
    pub(crate) fn step(&mut self, node: u32, atoms: bool, key: &[u8]) -> Step {
        let last = self.nodes[node as usize].last;
        if last != 0 {
            let child = &self.nodes[last as usize];
            if child.atoms == atoms && *child.key == *key {
                return Step::Node(last);
            }
        }
        self.find(node, atoms, key)
    }

    #[inline]
    pub(crate) fn expected(&self, node: u32) -> Option<(u32, bool, &[u8])> {
        let last = self.nodes[node as usize].last;
        let child = &self.nodes[last as usize];
        (last != ROOT).then_some((last, child.atoms, &*child.key))
    }

    pub(crate) fn is_known(&self, node: u32) -> bool {
        self.nodes[node as usize].known
    }

    pub(crate) fn set_known(&mut self, node: u32) {
        self.nodes[node as usize].known = true;
    }

    fn find(&mut self, node: u32, atoms: bool, key: &[u8]) -> Step {
        let fits = (1..=tape::MAX_SHAPE_KEY_LENGTH as usize).contains(&key.len())
            && key.is_ascii()
            && !key.contains(&0);
        if !fits || node != ROOT && self.nodes[node as usize].atoms != atoms {
            return Step::None;
        }
        if let Some(child) = self.children.get(&(node, atoms, Box::from(key))) {
            self.nodes[node as usize].last = *child;
            return Step::Node(*child);
        }
        let mut ancestor = node;
        while ancestor != ROOT {
            let Node { key: taken, parent, .. } = &self.nodes[ancestor as usize];
            if **taken == *key {
                return Step::Duplicate;
            }
            ancestor = *parent;
        }
        if self.nodes.len() > MAX_NODES {
            return Step::None;
        }
        let child = self.nodes.len() as u32;
        let depth = self.nodes[node as usize].depth + 1;
        self.nodes.push(Node { parent: node, depth, atoms, key: key.into(), ..Node::default() });
        self.children.insert((node, atoms, key.into()), child);
        self.nodes[node as usize].last = child;
        Step::Node(child)
    }

    #[inline]
    pub(crate) fn shape(&mut self, node: u32, tape: &mut Tape) -> u32 {
        let shape = self.nodes[node as usize].shape;
        if shape != 0 {
            return shape - 1;
        }
        self.used.push(node);
        if self.nodes[node as usize].joined.is_empty() {
            let joined: Box<[u8]> = self.keys(node).join(&0).into();
            self.joined += joined.len();
            let node = &mut self.nodes[node as usize];
            node.number = number_of(node.atoms, &joined);
            node.joined = joined;
            tape.heap += heap::shape(node.depth);
        }
        let index = tape.shapes.len() as u32;
        let Node { depth, atoms, shape, joined, number, .. } = &mut self.nodes[node as usize];
        let length = joined.len() as u32 | *number << SHAPE_LENGTH_BITS;
        tape.shapes.push([*depth << 1 | u32::from(!*atoms), length]);
        *shape = index + 1;
        index
    }

    pub(crate) fn is_atoms(&self, node: u32) -> bool {
        self.nodes[node as usize].atoms
    }

    pub(crate) fn keys(&self, mut node: u32) -> Vec<&[u8]> {
        let mut keys = Vec::new();
        while node != ROOT {
            let Node { key, parent, .. } = &self.nodes[node as usize];
            keys.push(&**key);
            node = *parent;
        }
        keys.reverse();
        keys
    }

    pub(crate) fn write_names(&self, tape: &mut Tape) {
        for node in &self.used {
            tape.names.extend_from_slice(&self.nodes[*node as usize].joined);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add_shapes(trie: &mut ShapeTrie, first: u8, count: usize) {
        let mut node = ROOT;
        for index in 0..count {
            let mut key = [first; 255];
            key[1] = index as u8 + 1;
            if let Step::Node(next) = trie.step(node, false, &key) {
                node = next;
                trie.shape(node, &mut Tape::default());
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "megabytes take minutes")]
    fn too_many_joined_keys_are_forgotten() {
        let mut trie = ShapeTrie::default();
        for (first, kept) in [(b'a', 1), (b'b', 65), (b'c', 1), (b'd', 65)] {
            trie.reset();
            assert_eq!(trie.nodes.len(), kept);
            add_shapes(&mut trie, first, 64);
        }
    }
}
