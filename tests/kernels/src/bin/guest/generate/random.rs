//! The seed's random numbers: SplitMix64, so that a seed means the same test
//! on every machine and with every release of the compiler.

use super::table::Construct;

/// A deterministic source of random numbers.
pub struct Random(u64);

impl Random {
    /// Starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end` (which is not 0). The modulo's bias does not
    /// matter here.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `items`, which is not empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Puts `items` into a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Items in random order, each as often as the others (but for one).
pub struct Deck {
    items: &'static [Construct],
    left: Vec<Construct>,
}

impl Deck {
    /// A deck of `items`, which is not empty.
    pub fn new(items: &'static [Construct]) -> Self {
        Self { items, left: Vec::new() }
    }

    /// The next item.
    pub fn draw(&mut self, random: &mut Random) -> Construct {
        if self.left.is_empty() {
            self.left = self.items.to_vec();
            random.shuffle(&mut self.left);
        }
        self.left.pop().unwrap_or(self.items[0])
    }
}
