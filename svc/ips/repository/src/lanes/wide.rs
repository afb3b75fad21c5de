//! wide.rs - the rounds of SHA-1 and SHA-512 (FIPS 180-4), on a word of each lane at a time.
//!
//! Plain arithmetic on arrays of words; compiled for AVX-512 an array is a register.

use super::{Lanes, Sha1, Sha512};

/// A word of each lane.
type Words<W, const N: usize> = [W; N];
type Long = Words<u64, { Sha512::LANES }>;
type Short = Words<u32, { Sha1::LANES }>;

/// The fractions of the cube roots of the first 80 primes.
const K: [u64; 80] = [
    0x428a_2f98_d728_ae22,
    0x7137_4491_23ef_65cd,
    0xb5c0_fbcf_ec4d_3b2f,
    0xe9b5_dba5_8189_dbbc,
    0x3956_c25b_f348_b538,
    0x59f1_11f1_b605_d019,
    0x923f_82a4_af19_4f9b,
    0xab1c_5ed5_da6d_8118,
    0xd807_aa98_a303_0242,
    0x1283_5b01_4570_6fbe,
    0x2431_85be_4ee4_b28c,
    0x550c_7dc3_d5ff_b4e2,
    0x72be_5d74_f27b_896f,
    0x80de_b1fe_3b16_96b1,
    0x9bdc_06a7_25c7_1235,
    0xc19b_f174_cf69_2694,
    0xe49b_69c1_9ef1_4ad2,
    0xefbe_4786_384f_25e3,
    0x0fc1_9dc6_8b8c_d5b5,
    0x240c_a1cc_77ac_9c65,
    0x2de9_2c6f_592b_0275,
    0x4a74_84aa_6ea6_e483,
    0x5cb0_a9dc_bd41_fbd4,
    0x76f9_88da_8311_53b5,
    0x983e_5152_ee66_dfab,
    0xa831_c66d_2db4_3210,
    0xb003_27c8_98fb_213f,
    0xbf59_7fc7_beef_0ee4,
    0xc6e0_0bf3_3da8_8fc2,
    0xd5a7_9147_930a_a725,
    0x06ca_6351_e003_826f,
    0x1429_2967_0a0e_6e70,
    0x27b7_0a85_46d2_2ffc,
    0x2e1b_2138_5c26_c926,
    0x4d2c_6dfc_5ac4_2aed,
    0x5338_0d13_9d95_b3df,
    0x650a_7354_8baf_63de,
    0x766a_0abb_3c77_b2a8,
    0x81c2_c92e_47ed_aee6,
    0x9272_2c85_1482_353b,
    0xa2bf_e8a1_4cf1_0364,
    0xa81a_664b_bc42_3001,
    0xc24b_8b70_d0f8_9791,
    0xc76c_51a3_0654_be30,
    0xd192_e819_d6ef_5218,
    0xd699_0624_5565_a910,
    0xf40e_3585_5771_202a,
    0x106a_a070_32bb_d1b8,
    0x19a4_c116_b8d2_d0c8,
    0x1e37_6c08_5141_ab53,
    0x2748_774c_df8e_eb99,
    0x34b0_bcb5_e19b_48a8,
    0x391c_0cb3_c5c9_5a63,
    0x4ed8_aa4a_e341_8acb,
    0x5b9c_ca4f_7763_e373,
    0x682e_6ff3_d6b2_b8a3,
    0x748f_82ee_5def_b2fc,
    0x78a5_636f_4317_2f60,
    0x84c8_7814_a1f0_ab72,
    0x8cc7_0208_1a64_39ec,
    0x90be_fffa_2363_1e28,
    0xa450_6ceb_de82_bde9,
    0xbef9_a3f7_b2c6_7915,
    0xc671_78f2_e372_532b,
    0xca27_3ece_ea26_619c,
    0xd186_b8c7_21c0_c207,
    0xeada_7dd6_cde0_eb1e,
    0xf57d_4f7f_ee6e_d178,
    0x06f0_67aa_7217_6fba,
    0x0a63_7dc5_a2c8_98a6,
    0x113f_9804_bef9_0dae,
    0x1b71_0b35_131c_471b,
    0x28db_77f5_2304_7d84,
    0x32ca_ab7b_40c7_2493,
    0x3c9e_be0a_15c9_bebc,
    0x431d_67c4_9c10_0d4c,
    0x4cc5_d4be_cb3e_42b6,
    0x597f_299c_fc65_7e2a,
    0x5fcb_6fab_3ad6_faec,
    0x6c44_198c_4a47_5817,
];

/// The constants of SHA-1, one for each twenty rounds.
const K1: [u32; 4] = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6];

/// Digests `count` blocks of each text.
pub(super) fn sha512(state: &mut [Long; 8], texts: &[&[u8]], count: usize) {
    let texts: [&[u8]; Sha512::LANES] = texts.try_into().expect("there is a text for each lane");
    // SAFETY: whoever comes here has found that the processor has these instructions.
    unsafe { sha512_wide(state, &texts, count) }
}

/// Digests `count` blocks of each text.
pub(super) fn sha1(state: &mut [Short; 5], texts: &[&[u8]], count: usize) {
    let texts: [&[u8]; Sha1::LANES] = texts.try_into().expect("there is a text for each lane");
    // SAFETY: whoever comes here has found that the processor has these instructions.
    unsafe { sha1_wide(state, &texts, count) }
}

/// # Safety
/// The processor has what this is compiled for.
#[cfg_attr(
    target_arch = "x86_64",
    rustversion::attr(since(1.89), target_feature(enable = "avx512f,avx512bw"))
)]
unsafe fn sha512_wide(state: &mut [Long; 8], texts: &[&[u8]; Sha512::LANES], count: usize) {
    for block in 0..count {
        let mut schedule = [[0; Sha512::LANES]; 16];
        for (lane, text) in texts.iter().enumerate() {
            let block = &text[block * Sha512::BLOCK..][..Sha512::BLOCK];
            for (word, bytes) in block.chunks_exact(8).enumerate() {
                schedule[word][lane] =
                    u64::from_be_bytes(bytes.try_into().expect("a word's bytes"));
            }
        }
        let mut work = *state;
        for round in 0..80 {
            if round >= 16 {
                extend512(&mut schedule, round);
            }
            round512(&mut work, K[round], &schedule[round % 16]);
        }
        for (word, worked) in state.iter_mut().zip(work) {
            *word = each(|lane| word[lane].wrapping_add(worked[lane]));
        }
    }
}

/// The schedule's next word, in the place of the one that is needed no more.
#[inline(always)]
fn extend512(schedule: &mut [Long; 16], round: usize) {
    let [old, one, nine, fourteen] = [0, 1, 9, 14].map(|back| schedule[(round + back) % 16]);
    schedule[round % 16] = each(|lane| {
        let (x, y) = (one[lane], fourteen[lane]);
        let low = x.rotate_right(1) ^ x.rotate_right(8) ^ (x >> 7);
        let high = y.rotate_right(19) ^ y.rotate_right(61) ^ (y >> 6);
        old[lane].wrapping_add(low).wrapping_add(nine[lane]).wrapping_add(high)
    });
}

#[inline(always)]
fn round512(work: &mut [Long; 8], k: u64, word: &Long) {
    let [a, b, c, d, e, f, g, h] = *work;
    let first: Long = each(|lane| {
        let (e, f, g) = (e[lane], f[lane], g[lane]);
        let sum = e.rotate_right(14) ^ e.rotate_right(18) ^ e.rotate_right(41);
        let choice = g ^ (e & (f ^ g));
        let known = h[lane].wrapping_add(k).wrapping_add(word[lane]);
        known.wrapping_add(sum).wrapping_add(choice)
    });
    let second: Long = each(|lane| {
        let (a, b, c) = (a[lane], b[lane], c[lane]);
        let sum = a.rotate_right(28) ^ a.rotate_right(34) ^ a.rotate_right(39);
        sum.wrapping_add((a & b) ^ (c & (a ^ b)))
    });
    let fifth = each(|lane| d[lane].wrapping_add(first[lane]));
    *work = [each(|lane| first[lane].wrapping_add(second[lane])), a, b, c, fifth, e, f, g];
}

/// # Safety
/// The processor has what this is compiled for.
#[cfg_attr(
    target_arch = "x86_64",
    rustversion::attr(since(1.89), target_feature(enable = "avx512f,avx512bw"))
)]
unsafe fn sha1_wide(state: &mut [Short; 5], texts: &[&[u8]; Sha1::LANES], count: usize) {
    for block in 0..count {
        let mut schedule = [[0; Sha1::LANES]; 16];
        for (lane, text) in texts.iter().enumerate() {
            let block = &text[block * Sha1::BLOCK..][..Sha1::BLOCK];
            for (word, bytes) in block.chunks_exact(4).enumerate() {
                schedule[word][lane] =
                    u32::from_be_bytes(bytes.try_into().expect("a word's bytes"));
            }
        }
        let mut work = *state;
        // Four loops, so that no lane asks which of them it is in.
        (0..20)
            .for_each(|round| round1(&mut work, &mut schedule, round, |b, c, d| d ^ (b & (c ^ d))));
        (20..40).for_each(|round| round1(&mut work, &mut schedule, round, |b, c, d| b ^ c ^ d));
        (40..60).for_each(|round| {
            round1(&mut work, &mut schedule, round, |b, c, d| (b & c) ^ (d & (b ^ c)));
        });
        (60..80).for_each(|round| round1(&mut work, &mut schedule, round, |b, c, d| b ^ c ^ d));
        for (word, worked) in state.iter_mut().zip(work) {
            *word = each(|lane| word[lane].wrapping_add(worked[lane]));
        }
    }
}

#[inline(always)]
fn round1(
    work: &mut [Short; 5],
    schedule: &mut [Short; 16],
    round: usize,
    mix: impl Fn(u32, u32, u32) -> u32,
) {
    if round >= 16 {
        let [old, two, eight, thirteen] = [0, 2, 8, 13].map(|back| schedule[(round + back) % 16]);
        schedule[round % 16] =
            each(|lane| (old[lane] ^ two[lane] ^ eight[lane] ^ thirteen[lane]).rotate_left(1));
    }
    let [a, b, c, d, e] = *work;
    let (k, word) = (K1[round / 20], &schedule[round % 16]);
    let next: Short = each(|lane| {
        let known = e[lane].wrapping_add(k).wrapping_add(word[lane]);
        let mixed = mix(b[lane], c[lane], d[lane]);
        known.wrapping_add(a[lane].rotate_left(5)).wrapping_add(mixed)
    });
    *work = [next, a, each(|lane| b[lane].rotate_left(30)), c, d];
}

/// A word of each lane.
#[inline(always)]
fn each<W, const N: usize>(word: impl Fn(usize) -> W) -> Words<W, N> {
    std::array::from_fn(word)
}
