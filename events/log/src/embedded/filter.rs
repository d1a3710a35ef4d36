//! A filter says "certainly not here" or "maybe": a blocked Bloom filter (Putze, Sanders, Singler
//! 2007), one cache line a question.
//!
//! Keys are UUIDs, which anybody may choose; a filter that is made to say "maybe" too often costs
//! time and no more, and its hash is fixed, so that the same chunk has the same filter.

const BLOCK_BYTES: usize = 64;
const BLOCK_BITS: u64 = BLOCK_BYTES as u64 * 8;
/// Ten bits a key and six probes in one block: about one false "maybe" in eighty.
const BITS_PER_KEY: usize = 10;
const PROBES: u32 = 6;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    bytes: Vec<u8>,
}

impl Filter {
    pub(crate) fn for_keys(count: usize) -> Self {
        let blocks = (count * BITS_PER_KEY).div_ceil(BLOCK_BYTES * 8).max(1);
        Self { bytes: vec![0; blocks * BLOCK_BYTES] }
    }

    /// Takes over bytes that [`Filter::bytes`] gave.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let fits = !bytes.is_empty() && bytes.len().is_multiple_of(BLOCK_BYTES);
        fits.then_some(Self { bytes })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn insert(&mut self, key: &[u8; 16]) {
        let (block, mut bits) = self.block_of(key);
        for _ in 0..PROBES {
            let bit = next_bit(&mut bits);
            self.bytes[block + bit / 8] |= 1 << (bit % 8);
        }
    }

    pub(crate) fn may_contain(&self, key: &[u8; 16]) -> bool {
        let (block, mut bits) = self.block_of(key);
        let block = &self.bytes[block..block + BLOCK_BYTES];
        (0..PROBES).all(|_| {
            let bit = next_bit(&mut bits);
            block[bit / 8] & 1 << (bit % 8) != 0
        })
    }

    fn block_of(&self, key: &[u8; 16]) -> (usize, u64) {
        let (mut low, mut high) = ([0; 8], [0; 8]);
        low.copy_from_slice(&key[..8]);
        high.copy_from_slice(&key[8..]);
        let hash = mix(u64::from_le_bytes(low) ^ mix(u64::from_le_bytes(high)));
        let blocks = (self.bytes.len() / BLOCK_BYTES) as u64;
        // Multiply and shift picks a block without a division.
        let block = (u128::from(hash) * u128::from(blocks)) >> 64;
        (usize::try_from(block).unwrap_or_default() * BLOCK_BYTES, mix(hash))
    }
}

fn next_bit(bits: &mut u64) -> usize {
    let bit = *bits % BLOCK_BITS;
    *bits >>= 9;
    usize::try_from(bit).unwrap_or_default()
}

/// The finisher of MurmurHash3 (Appleby), variant 13 of Stafford.
const fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> [u8; 16] {
        (u128::from(mix(n)) << 64 | u128::from(n)).to_le_bytes()
    }

    #[test]
    fn what_was_put_in_is_found_and_little_else() {
        let mut filter = Filter::for_keys(10_000);
        (0..10_000).for_each(|n| filter.insert(&key(n)));
        assert!((0..10_000).all(|n| filter.may_contain(&key(n))));
        let wrong = (10_000..110_000).filter(|n| filter.may_contain(&key(*n))).count();
        assert!(wrong < 2_500, "{wrong} of 100,000 false");
    }

    #[test]
    fn an_empty_filter_contains_nothing() {
        assert!(!Filter::for_keys(0).may_contain(&key(1)));
    }
}
