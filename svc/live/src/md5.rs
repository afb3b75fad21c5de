//! md5.rs - MD5 (RFC 1321) of several texts side by side.
//!
//! Of one text each word waits for the one before, and most of the processor is idle.  Four texts take
//! hardly longer than one; eight do where the processor has AVX-512.
//!
//! ```text
//! text            parts, each a multiple of a block          the last part ends with `end`
//! lane 0          [ part ][ part ][ part ][ part + end ]
//! lane 1          [ part ][ part + end ]                     what is over keeps its digest
//! ```
//!
//! Law: arithmetic on arrays, which the compiler turns into registers; the only unsafe call is that of a
//! function compiled for a processor that was asked for it.

/// How many texts.
pub const LANES: usize = 8;
/// How many go into the registers that every processor has.
const HALF: usize = LANES / 2;
/// So many are as fast one after the other.
const FEW: usize = 1;
/// Bytes of a block.
const BLOCK: usize = 64;

const FIRST: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// A word of each text.
type Words<const N: usize> = [u32; N];

/// The digests on their way.
pub struct Md5s {
    state: [Words<LANES>; 4],
}

impl Md5s {
    /// Before the first part.
    #[must_use]
    pub fn new() -> Md5s {
        Md5s { state: FIRST.map(|word| [word; LANES]) }
    }

    /// The next part of each text: whole blocks, none of a text that is over.
    pub fn update(&mut self, parts: &[&[u8]; LANES]) {
        debug_assert!(parts.iter().all(|part| part.len() % BLOCK == 0));
        let mut at = 0;
        loop {
            let longer = |lane: &usize| parts[*lane].len() > at;
            let going: Vec<usize> = (0..LANES).filter(longer).collect();
            if going.len() <= FEW {
                going.iter().for_each(|lane| self.alone(*lane, &parts[*lane][at..]));
                return;
            }
            let end = going.iter().map(|lane| parts[*lane].len()).min().unwrap_or(at);
            // Who is over does what another does, and forgets it.
            let before = self.state;
            let texts = std::array::from_fn(|lane| {
                let lane = if longer(&lane) { lane } else { going[0] };
                &parts[lane][at..end]
            });
            all(&mut self.state, &texts);
            for lane in (0..LANES).filter(|lane| !longer(lane)) {
                (0..4).for_each(|word| self.state[word][lane] = before[word][lane]);
            }
            at = end;
        }
    }

    fn alone(&mut self, lane: usize, part: &[u8]) {
        let mut state = self.state.map(|word| [word[lane]]);
        blocks(&mut state, &[part]);
        (0..4).for_each(|word| self.state[word][lane] = state[word][0]);
    }

    /// The digest of a text that is over.
    #[must_use]
    pub fn digest(&self, lane: usize) -> [u8; 16] {
        let mut digest = [0; 16];
        for (bytes, word) in digest.chunks_exact_mut(4).zip(&self.state) {
            bytes.copy_from_slice(&word[lane].to_le_bytes());
        }
        digest
    }
}

/// Adds to the last part of a text of `length` bytes what makes it whole blocks.
pub fn end(part: &mut Vec<u8>, length: u64) {
    part.push(0x80);
    part.resize((part.len() + 8).next_multiple_of(BLOCK) - 8, 0);
    // Of the length in bits the format keeps the lower 64.
    part.extend_from_slice(&length.wrapping_mul(8).to_le_bytes());
}

/// Digests a text of each lane, all of one length.
fn all(state: &mut [Words<LANES>; 4], texts: &[&[u8]; LANES]) {
    if is_wide() {
        // SAFETY: the processor has been asked.
        return unsafe { wide(state, texts) };
    }
    halves(state, texts);
}

fn halves(state: &mut [Words<LANES>; 4], texts: &[&[u8]; LANES]) {
    for first in [0, HALF] {
        let mut half = state.map(|word| each::<HALF>(|lane| word[first + lane]));
        blocks(&mut half, &std::array::from_fn::<_, HALF, _>(|lane| texts[first + lane]));
        for (word, own) in state.iter_mut().zip(half) {
            word[first..][..HALF].copy_from_slice(&own);
        }
    }
}

/// # Safety
/// The processor has what this is compiled for.
#[cfg_attr(
    target_arch = "x86_64",
    rustversion::attr(since(1.89), target_feature(enable = "avx512f,avx512vl,avx512bw"))
)]
unsafe fn wide(state: &mut [Words<LANES>; 4], texts: &[&[u8]; LANES]) {
    blocks(state, texts);
}

/// Whether the processor has registers of 512 bits, and the compiler knew of them.
#[cfg(target_arch = "x86_64")]
fn is_wide() -> bool {
    let has = std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512vl")
        && std::arch::is_x86_feature_detected!("avx512bw");
    has && rustversion::cfg!(since(1.89))
}

#[cfg(not(target_arch = "x86_64"))]
fn is_wide() -> bool {
    false
}

/// Digests texts of one length.
#[inline(always)]
fn blocks<const N: usize>(state: &mut [Words<N>; 4], texts: &[&[u8]; N]) {
    let count = texts.first().map_or(0, |text| text.len() / BLOCK);
    for block in 0..count {
        let mut words = [[0; N]; 16];
        for (lane, text) in texts.iter().enumerate() {
            let block = text[block * BLOCK..][..BLOCK].chunks_exact(4);
            for (word, bytes) in words.iter_mut().zip(block) {
                word[lane] = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            }
        }
        let mut work = *state;
        pass::<N, 0>(&mut work, &words, |b, c, d| d ^ (b & (c ^ d)));
        pass::<N, 1>(&mut work, &words, |b, c, d| c ^ (d & (b ^ c)));
        pass::<N, 2>(&mut work, &words, |b, c, d| b ^ c ^ d);
        pass::<N, 3>(&mut work, &words, |b, c, d| c ^ (b | !d));
        for (word, worked) in state.iter_mut().zip(work) {
            *word = each(|lane| word[lane].wrapping_add(worked[lane]));
        }
    }
}

/// By how much each step of a pass rotates.
const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
/// Which word a step of a pass takes: `factor * step + first`.
const PICKS: [(usize, usize); 4] = [(1, 0), (5, 1), (3, 5), (7, 0)];

#[inline(always)]
fn pass<const N: usize, const PASS: usize>(
    work: &mut [Words<N>; 4],
    words: &[Words<N>; 16],
    mix: impl Fn(u32, u32, u32) -> u32,
) {
    let (factor, first) = PICKS[PASS];
    let step = |[a, b, c, d]: [&Words<N>; 4], at: usize| -> Words<N> {
        let word = &words[(factor * at + first) % 16];
        let (sine, shift) = (SINES[16 * PASS + at], SHIFTS[PASS][at % 4]);
        each(|lane| {
            let known = a[lane].wrapping_add(word[lane]).wrapping_add(sine);
            let sum = known.wrapping_add(mix(b[lane], c[lane], d[lane]));
            b[lane].wrapping_add(sum.rotate_left(shift))
        })
    };
    let [mut a, mut b, mut c, mut d] = *work;
    for at in [0, 4, 8, 12] {
        a = step([&a, &b, &c, &d], at);
        d = step([&d, &a, &b, &c], at + 1);
        c = step([&c, &d, &a, &b], at + 2);
        b = step([&b, &c, &d, &a], at + 3);
    }
    *work = [a, b, c, d];
}

/// A word of each text.
#[inline(always)]
fn each<const N: usize>(word: impl Fn(usize) -> u32) -> Words<N> {
    std::array::from_fn(word)
}

/// 2^32 times the sines of 1 to 64, without signs.
const SINES: [u32; 64] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

#[cfg(test)]
mod tests {
    use md5::{Digest, Md5};

    use super::*;

    /// What processors without wide registers do gives the same.
    #[test]
    fn halves_and_a_whole() {
        let bytes: Vec<u8> = (0..LANES * 4 * BLOCK).map(|at| (at * 7 / 3) as u8).collect();
        let texts = std::array::from_fn(|lane| &bytes[lane * 4 * BLOCK..][..4 * BLOCK]);
        let mut by_all = FIRST.map(|word| [word; LANES]);
        let mut by_one = by_all;
        all(&mut by_all, &texts);
        blocks(&mut by_one, &texts);
        assert_eq!(by_all, by_one);
        halves(&mut by_one, &texts);
        all(&mut by_all, &texts);
        assert_eq!(by_all, by_one);
    }

    /// Parts of texts, of which some are over before others; the oracle is the crate.
    #[test]
    fn the_digests_are_those_of_one_text_alone() {
        let bytes: Vec<u8> = (0..10_000u32).map(|at| ((at * at) >> 3) as u8).collect();
        for lengths in [
            [0, 1, 55, 56, 57, 63, 64, 65],
            [119, 120, 128, 10_000, 10_000, 0, 9_999, 64],
            [5_000; LANES],
            [0, 0, 0, 0, 0, 4_096, 0, 0],
        ] {
            let texts = lengths.map(|length| &bytes[..length]);
            for part in [BLOCK, 4 * BLOCK, 1 << 20] {
                let mut md5s = Md5s::new();
                for at in (0..=10_000).step_by(part) {
                    let parts = texts.map(|text| {
                        let from = text.get(at..).unwrap_or_default();
                        let mut bytes = from[..from.len().min(part)].to_vec();
                        // The last part is shorter than others, and may be empty.
                        if at <= text.len() && bytes.len() < part {
                            end(&mut bytes, text.len() as u64);
                        }
                        bytes
                    });
                    md5s.update(&parts.each_ref().map(Vec::as_slice));
                }
                for (lane, text) in texts.into_iter().enumerate() {
                    let wanted: [u8; 16] = Md5::digest(text).into();
                    assert_eq!(md5s.digest(lane), wanted, "{lengths:?} {part} {lane}");
                }
            }
        }
    }
}
