//! SHA-256 over two contents by one thread.
//!
//! Within one content each block waits for the one before it, and a processor with instructions for SHA-256 waits
//! with it. A block of another content waits for nothing, so the processor works on both.

use sha2::compress256;

const BLOCK_BYTES: usize = 64;
/// What stands behind the content: a mark, and its length.
const MARK: u8 = 0x80;
const LENGTH_BYTES: usize = 8;
/// FIPS 180-4, 5.3.3.
const START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// What is hashed at once.
pub(crate) type Block = [u8; BLOCK_BYTES];

/// Whether two at once are faster than one after the other with another library.
pub(crate) fn pays() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("sha")
            && std::arch::is_x86_feature_detected!("ssse3")
            && std::arch::is_x86_feature_detected!("sse4.1")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// One SHA-256 under way.
#[derive(Debug)]
pub(crate) struct Sha256 {
    state: [u32; 8],
    blocks: u64,
}

impl Sha256 {
    pub(crate) fn new() -> Self {
        Self {
            state: START,
            blocks: 0,
        }
    }

    fn block(&mut self, block: &Block) {
        compress256(&mut self.state, std::slice::from_ref(block.into()));
        self.blocks = self.blocks.saturating_add(1);
    }

    pub(crate) fn update(&mut self, blocks: &[Block]) {
        for block in blocks {
            self.block(block);
        }
    }

    /// Takes what is left of the content, which is less than a block.
    pub(crate) fn finish(mut self, rest: &[u8]) -> [u8; 32] {
        let bytes = u64::try_from(rest.len()).unwrap_or(u64::MAX);
        // Lengths of files have 63 bits; what the hash has room for in bits, they cannot exceed.
        let bits = self.blocks.wrapping_mul(512).wrapping_add(bytes.wrapping_mul(8));
        let mut last = rest.to_vec();
        last.push(MARK);
        let filled = last.len().saturating_add(LENGTH_BYTES).next_multiple_of(BLOCK_BYTES);
        last.resize(filled.saturating_sub(LENGTH_BYTES), 0);
        last.extend(bits.to_be_bytes());
        self.update(last.as_chunks().0);
        let mut digest = [0; 32];
        for (to, from) in digest
            .iter_mut()
            .zip(self.state.iter().flat_map(|word| word.to_be_bytes()))
        {
            *to = from;
        }
        digest
    }
}

/// Hashes as many blocks of each as both have, and says how many.
pub(crate) fn update_both(one: (&mut Sha256, &[Block]), other: (&mut Sha256, &[Block])) -> usize {
    for (first, second) in one.1.iter().zip(other.1) {
        one.0.block(first);
        other.0.block(second);
    }
    one.1.len().min(other.1.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::signing::sha256_of;

    fn alone(content: &[u8]) -> [u8; 32] {
        let (blocks, rest) = content.as_chunks();
        let mut hash = Sha256::new();
        hash.update(blocks);
        hash.finish(rest)
    }

    #[test]
    fn every_length_about_a_block_is_padded_right() {
        for length in 0..200 {
            let content: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
            assert_eq!(alone(&content), sha256_of(&content), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn two_at_once_are_the_two(one: Vec<u8>, other in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let (mut first, mut second) = (Sha256::new(), Sha256::new());
            let ((of_one, rest_one), (of_other, rest_other)) = (one.as_chunks(), other.as_chunks());
            let done = update_both((&mut first, of_one), (&mut second, of_other));
            first.update(&of_one[done..]);
            second.update(&of_other[done..]);
            prop_assert_eq!(first.finish(rest_one), sha256_of(&one));
            prop_assert_eq!(second.finish(rest_other), sha256_of(&other));
        }
    }
}
