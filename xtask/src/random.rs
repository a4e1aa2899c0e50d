//! Numbers that look random and are the same for the same seed (`SplitMix64`, Steele et al. 2014).

/// A source of such numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The source of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another source, which differs from this one and from those of other numbers.
    #[must_use]
    pub fn fork(&self, number: u64) -> Self {
        let mut fork = Self(self.0 ^ number.wrapping_mul(0xd1b5_4a32_d192_ed03));
        Self(fork.next())
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// One of these; none if there is none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let index = usize::try_from(self.below(u64::try_from(of.len()).ok()?)).ok()?;
        of.get(index)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_and_forks_differ() {
        let numbers = |mut random: Random| [(); 8].map(|()| random.below(1_000_000));
        let random = Random::new(7);
        assert_eq!(numbers(random.clone()), numbers(Random::new(7)));
        assert_ne!(numbers(random.fork(1)), numbers(random.fork(2)));
        assert_eq!(numbers(random.fork(1)), numbers(Random::new(7).fork(1)));
    }
}
