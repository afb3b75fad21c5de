//! lanes.rs - SHA-1 and SHA-512/256 of many texts, several side by side in one register.
//!
//! One text is digested word after word, each waiting for the one before; a processor with
//! AVX-512 can do eight (SHA-512) or sixteen (SHA-1) at once, which takes a quarter of the time.
//! The longest texts come first, so that the lanes end together; where few are left, or the
//! processor has no such registers, each is digested alone.
//!
//! Law: the digests are those of the crates sha1 and sha2, which also do what is done alone.  Here
//! is arithmetic on arrays, which the compiler turns into registers; the only unsafe call is that of
//! a function compiled for a processor that was asked for it.

mod wide;

use std::cmp::Reverse;

use ips_model::digest::{hex, sha1_hex};
use sha2::digest::generic_array::GenericArray;

use crate::payload::sha512_256_hex;

/// SHA-1 of each text, in hex.
pub(crate) fn sha1_of_all(texts: &[&[u8]]) -> Vec<String> {
    match is_wide() && texts.len() > Sha1::FEW {
        true => side_by_side(texts, Sha1([[0; Sha1::LANES]; 5])),
        false => texts.iter().map(|text| sha1_hex(text)).collect(),
    }
}

/// SHA-512/256 of each text, in hex.
pub(crate) fn sha512_256_of_all(texts: &[&[u8]]) -> Vec<String> {
    match is_wide() && texts.len() > Sha512::FEW {
        true => side_by_side(texts, Sha512([[0; Sha512::LANES]; 8])),
        false => texts.iter().map(|text| sha512_256_hex(text)).collect(),
    }
}

/// The digest of each text by the name manifests have for its algorithm, in hex; none where the
/// algorithm is not known.
pub fn digest_all(texts: &[(&str, &[u8])]) -> Vec<Option<String>> {
    let mut digests = vec![None; texts.len()];
    let of = |algorithm: &str| -> Vec<usize> {
        (0..texts.len()).filter(|number| texts[*number].0 == algorithm).collect()
    };
    for (algorithm, many) in
        [("sha512t_256", sha512_256_of_all as fn(&[&[u8]]) -> Vec<String>), ("sha1", sha1_of_all)]
    {
        let numbers = of(algorithm);
        let own: Vec<&[u8]> = numbers.iter().map(|number| texts[*number].1).collect();
        for (number, digest) in numbers.into_iter().zip(many(&own)) {
            digests[number] = Some(digest);
        }
    }
    for (digest, (algorithm, text)) in digests.iter_mut().zip(texts) {
        if digest.is_none() {
            *digest = crate::payload::digest(algorithm, text);
        }
    }
    digests
}

/// The most texts whose digests are worth making at once.
const MOST: usize = 64;
/// How much of them is held in memory, unless one alone is more.
const HELD: usize = 4 << 20;

/// Parts a list into what can be held in memory at once; `size` may be what somebody claims.
pub fn groups<T>(mut all: &[T], size: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut groups = Vec::new();
    while !all.is_empty() {
        let mut held = 0_usize;
        let fits = |one: &&T| {
            held = held.saturating_add(size(one));
            held <= HELD
        };
        let count = all.iter().take(MOST).take_while(fits).count().max(1);
        let (group, rest) = all.split_at(count);
        groups.push(group);
        all = rest;
    }
    groups
}

/// Texts behind one another, in room that is used again and again: fresh memory is filled with
/// zeros by the system first, which takes as long as a digest.
#[derive(Default)]
pub struct Room {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Room {
    /// Makes the room empty.  What a single long text has taken is given back.
    pub fn clear(&mut self) {
        if self.bytes.capacity() > 2 * HELD {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.ends.clear();
    }

    /// Takes memory for so many bytes at once, as growing takes new memory each time; what is
    /// claimed beyond what a group may hold is not believed.
    pub fn expect(&mut self, bytes: usize) {
        self.bytes.reserve(bytes.min(HELD));
    }

    /// Adds the text that `put` puts at the end; nothing where it fails.
    pub fn add<E>(&mut self, put: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let begin = self.ends.last().copied().unwrap_or(0);
        put(&mut self.bytes).inspect_err(|_| self.bytes.truncate(begin))?;
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// The texts, in order.
    pub fn texts(&self) -> Vec<&[u8]> {
        let mut begin = 0;
        let text = |end: &usize| &self.bytes[std::mem::replace(&mut begin, *end)..*end];
        self.ends.iter().map(text).collect()
    }
}

/// How the texts of one algorithm are digested.
trait Lanes {
    /// How many texts are digested at once.
    const LANES: usize;
    /// So many are digested as fast one after the other.
    const FEW: usize;
    /// Length of a block in bytes.
    const BLOCK: usize;
    /// How many bytes at the end of the last block are the length of the text.
    const LENGTH: usize;

    /// A text begins in a lane.
    fn begin(&mut self, lane: usize);
    /// So many blocks from the beginning of one text for each lane.
    fn blocks(&mut self, texts: &[&[u8]], count: usize);
    /// Whole blocks of one lane.
    fn alone(&mut self, lane: usize, blocks: &[u8]);
    /// The digest of a lane.
    fn digest(&self, lane: usize) -> String;
}

/// A text on its way.
struct Job<'t> {
    number: usize,
    /// Its whole blocks that are still to be digested.
    whole: &'t [u8],
    /// The rest of it with a mark and its length: one block, or two.
    tail: Vec<u8>,
    /// How much of the tail is digested.
    done: usize,
}

impl<'t> Job<'t> {
    fn new<L: Lanes>(number: usize, text: &'t [u8]) -> Job<'t> {
        let (whole, rest) = text.split_at(text.len() - text.len() % L::BLOCK);
        let length = (rest.len() + 1 + L::LENGTH).next_multiple_of(L::BLOCK);
        let mut tail = Vec::with_capacity(length);
        tail.extend_from_slice(rest);
        tail.push(0x80);
        tail.resize(length - 8, 0);
        tail.extend_from_slice(&(8 * text.len() as u64).to_be_bytes());
        Job { number, whole, tail, done: 0 }
    }

    /// What comes next of it; empty: it is done.
    fn next(&self) -> &[u8] {
        if self.whole.is_empty() { &self.tail[self.done..] } else { self.whole }
    }

    fn advance(&mut self, bytes: usize) {
        match self.whole.is_empty() {
            true => self.done += bytes,
            false => self.whole = &self.whole[bytes..],
        }
    }
}

fn side_by_side<L: Lanes>(texts: &[&[u8]], mut lanes: L) -> Vec<String> {
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|number| Reverse(texts[*number].len()));
    let mut coming = order.into_iter();
    let mut digests = vec![String::new(); texts.len()];
    // A lane without job is past the end of this: none is left for it.
    let mut jobs: Vec<Job<'_>> = Vec::with_capacity(L::LANES);
    let mut own: Vec<usize> = (0..L::LANES).collect();
    for number in coming.by_ref().take(L::LANES) {
        lanes.begin(jobs.len());
        jobs.push(Job::new::<L>(number, texts[number]));
    }
    while jobs.len() > L::FEW {
        // Lanes that have nothing to do any more do what another does.
        let mut next = vec![jobs[0].next(); L::LANES];
        for (job, lane) in jobs.iter().zip(&own) {
            next[*lane] = job.next();
        }
        let bytes = jobs.iter().map(|job| job.next().len()).min().unwrap_or(0);
        lanes.blocks(&next, bytes / L::BLOCK);
        for at in (0..jobs.len()).rev() {
            jobs[at].advance(bytes);
            if !jobs[at].next().is_empty() {
                continue;
            }
            digests[jobs[at].number] = lanes.digest(own[at]);
            match coming.next() {
                Some(number) => {
                    lanes.begin(own[at]);
                    jobs[at] = Job::new::<L>(number, texts[number]);
                }
                None => {
                    jobs.remove(at);
                    own.remove(at);
                }
            }
        }
    }
    for (job, lane) in jobs.into_iter().zip(own) {
        lanes.alone(lane, job.whole);
        lanes.alone(lane, &job.tail[job.done..]);
        digests[job.number] = lanes.digest(lane);
    }
    digests
}

/// The state by word and lane.
struct Sha512([[u64; Sha512::LANES]; 8]);

impl Lanes for Sha512 {
    const LANES: usize = 8;
    const FEW: usize = 2;
    const BLOCK: usize = 128;
    const LENGTH: usize = 16;

    fn begin(&mut self, lane: usize) {
        // Those of SHA-512/256.
        const FIRST: [u64; 8] = [
            0x2231_2194_fc2b_f72c,
            0x9f55_5fa3_c84c_64c2,
            0x2393_b86b_6f53_b151,
            0x9638_7719_5940_eabd,
            0x9628_3ee2_a88e_ffe3,
            0xbe5e_1e25_5386_3992,
            0x2b01_99fc_2c85_b8aa,
            0x0eb7_2ddc_81c5_2ca2,
        ];
        (0..8).for_each(|word| self.0[word][lane] = FIRST[word]);
    }

    fn blocks(&mut self, texts: &[&[u8]], count: usize) {
        wide::sha512(&mut self.0, texts, count);
    }

    fn alone(&mut self, lane: usize, blocks: &[u8]) {
        let mut state = self.0.map(|word| word[lane]);
        for block in blocks.chunks_exact(Self::BLOCK) {
            sha2::compress512(&mut state, &[*GenericArray::from_slice(block)]);
        }
        (0..8).for_each(|word| self.0[word][lane] = state[word]);
    }

    fn digest(&self, lane: usize) -> String {
        let words = self.0[..4].iter().map(|word| word[lane].to_be_bytes());
        hex(&words.collect::<Vec<_>>().concat())
    }
}

/// The state by word and lane.
struct Sha1([[u32; Sha1::LANES]; 5]);

impl Lanes for Sha1 {
    const LANES: usize = 16;
    const FEW: usize = 4;
    const BLOCK: usize = 64;
    const LENGTH: usize = 8;

    fn begin(&mut self, lane: usize) {
        const FIRST: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
        (0..5).for_each(|word| self.0[word][lane] = FIRST[word]);
    }

    fn blocks(&mut self, texts: &[&[u8]], count: usize) {
        wide::sha1(&mut self.0, texts, count);
    }

    fn alone(&mut self, lane: usize, blocks: &[u8]) {
        let mut state = self.0.map(|word| word[lane]);
        for block in blocks.chunks_exact(Self::BLOCK) {
            sha1::compress(&mut state, &[*GenericArray::from_slice(block)]);
        }
        (0..5).for_each(|word| self.0[word][lane] = state[word]);
    }

    fn digest(&self, lane: usize) -> String {
        let words = self.0.iter().map(|word| word[lane].to_be_bytes());
        hex(&words.collect::<Vec<_>>().concat())
    }
}

/// Whether the processor has registers of 512 bits, and the compiler knew of them.
#[cfg(target_arch = "x86_64")]
fn is_wide() -> bool {
    let has = std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw");
    has && rustversion::cfg!(since(1.89))
}

#[cfg(not(target_arch = "x86_64"))]
fn is_wide() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of many lengths around the ends of blocks, in no order, as many as one likes.
    fn texts(count: usize) -> Vec<Vec<u8>> {
        let mut state = count as u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize
        };
        let lengths = [0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 1_000, 40_000];
        (0..count)
            .map(|_| {
                let length = lengths[next() % lengths.len()] + 128 * (next() % 3);
                (0..length).map(|_| next() as u8).collect()
            })
            .collect()
    }

    #[test]
    fn the_digests_are_those_of_one_text_alone() {
        for count in [0, 1, 2, 3, 5, 8, 9, 16, 17, 40] {
            let texts = texts(count);
            let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
            let alone: Vec<String> = texts.iter().map(|text| sha1_hex(text)).collect();
            assert_eq!(sha1_of_all(&texts), alone, "{count}");
            let alone: Vec<String> = texts.iter().map(|text| sha512_256_hex(text)).collect();
            assert_eq!(sha512_256_of_all(&texts), alone, "{count}");
        }
    }

    #[test]
    fn each_by_its_algorithm() {
        let texts = [("sha1", &b"a"[..]), ("none", b"b"), ("sha256", b"c"), ("sha512t_256", b"d")];
        let alone = texts.map(|(algorithm, text)| crate::payload::digest(algorithm, text));
        assert_eq!(digest_all(&texts), alone);
        assert!(alone[1].is_none() && alone[3].is_some());
    }

    #[test]
    fn a_room_has_its_texts() {
        let mut room = Room::default();
        for _ in 0..2 {
            room.clear();
            for text in ["ab", "", "c"] {
                let put = |onto: &mut Vec<u8>| {
                    onto.extend_from_slice(text.as_bytes());
                    onto.extend(text.is_empty().then_some(b'x'));
                    if text.is_empty() { Err("refused") } else { Ok(()) }
                };
                assert_eq!(room.add(put).is_ok(), !text.is_empty());
            }
            assert_eq!(room.texts(), [&b"ab"[..], b"c"]);
        }
    }

    #[test]
    fn groups_are_all_of_it() {
        for (sizes, expected) in [
            (vec![], vec![]),
            (vec![1; 130], vec![64, 64, 2]),
            (vec![HELD + 1, usize::MAX, HELD, 0, 1], vec![1, 1, 2, 1]),
        ] {
            let groups = groups(&sizes, |size| *size);
            let counts: Vec<usize> = groups.iter().map(|group| group.len()).collect();
            assert_eq!(counts, expected);
            assert_eq!(groups.concat(), sizes);
        }
    }

    #[test]
    fn one_long_text_among_short_ones() {
        let long = vec![7; 300_000];
        let texts: Vec<&[u8]> =
            (0..20).map(|at| if at == 11 { &long[..] } else { &long[..at] }).collect();
        for (at, (sha1, sha512)) in
            sha1_of_all(&texts).into_iter().zip(sha512_256_of_all(&texts)).enumerate()
        {
            assert_eq!(sha1, sha1_hex(texts[at]), "{at}");
            assert_eq!(sha512, sha512_256_hex(texts[at]), "{at}");
        }
    }
}
