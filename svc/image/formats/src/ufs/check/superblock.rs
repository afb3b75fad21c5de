//! superblock.rs - every field of the superblock against every other.
//!
//! Fields that mean nothing to a reader may hold anything: the id, the last mount point, the
//! tuning numbers within their bounds.

use super::{Faults, Shape};
use crate::ufs::layout::*;

/// The shape, unless numbers that all else is computed from do not hold together.
pub fn check(bytes: &[u8], faults: &mut Faults) -> Option<Shape> {
    let shape = shape(bytes, faults)?;
    constants(bytes, faults);
    computed(bytes, &shape, faults);
    bounds(bytes, &shape, faults);
    // Reserved, pointers of the kernel, rotational tables (there are none), the rest.
    for range in [0..8, 136..144, 728..1320, 1324..1336, 1376..SUPERBLOCK_SIZE] {
        if let Some(at) = range.clone().find(|&at| bytes[at] != 0) {
            faults.add(format!("superblock: byte {at} is not 0"));
        }
    }
    Some(shape)
}

/// The numbers that say where everything lies.
fn shape(bytes: &[u8], faults: &mut Faults) -> Option<Shape> {
    let field = |at| get32(bytes, at);
    let (size, groups, cylinders) = (field(36), field(44), field(176));
    let (cylinders_per_group, inodes_per_group) = (field(180), field(184));
    let mut bad = |what: &str| {
        faults.add(format!("superblock: {what}"));
        None
    };
    if inodes_per_group == 0 || inodes_per_group > INODES_MAX || inodes_per_group % 64 != 0 {
        return bad("inodes per group");
    }
    if !(1..=CYLINDERS_MAX).contains(&cylinders_per_group) {
        return bad("cylinders per group");
    }
    let frags_per_group = cylinders_per_group * CYLINDER;
    let maps = inodes_per_group / 8 + frags_per_group / 8;
    if 172 + 6 * cylinders_per_group + maps > BLOCK as u32 {
        return bad("a group's block is too small for its bitmaps");
    }
    if groups == 0 || size > 0x7fff_ffff || groups != size.div_ceil(frags_per_group) {
        return bad("size and count of groups");
    }
    let data_at = INODES_AT + inodes_per_group / INODES_PER_FRAG;
    let table_bytes = (groups * 16).next_multiple_of(FRAGMENT as u32);
    let found = Shape {
        size,
        groups,
        cylinders,
        cylinders_per_group,
        inodes_per_group,
        frags_per_group,
        data_at,
        table_bytes,
    };
    let last = groups - 1;
    let widest = GROUP_OFFSET * (last.min(OFFSET_CYCLE - 1)) + data_at;
    if found.start(last) + data_at >= size
        || (groups > 1 && widest >= frags_per_group)
        || data_at + table_bytes / FRAGMENT as u32 >= found.end(0)
    {
        return bad("a group does not hold its own inodes");
    }
    Some(found)
}

fn constants(bytes: &[u8], faults: &mut Faults) {
    let block = BLOCK as u32;
    for (at, name, want) in [
        (8, "sblkno", COPY_AT),
        (12, "cblkno", GROUP_AT),
        (16, "iblkno", INODES_AT),
        (24, "cgoffset", GROUP_OFFSET),
        (28, "cgmask", !(OFFSET_CYCLE - 1)),
        (48, "bsize", block),
        (52, "fsize", 1024),
        (56, "frag", FRAGS),
        (72, "bmask", !(block - 1)),
        (76, "fmask", !1023),
        (80, "bshift", 13),
        (84, "fshift", 10),
        (96, "fragshift", 3),
        (100, "fsbtodb", 1),
        (104, "sbsize", SUPERBLOCK_SIZE as u32),
        (108, "csmask", !(block / 16 - 1)),
        (112, "csshift", 9),
        (116, "nindir", 2048),
        (120, "inopb", 64),
        (124, "nspf", 2),
        (164, "ntrak", 48),
        (168, "nsect", 128),
        (172, "spc", 6144),
        (1336, "npsect", 128),
        (1340, "qbmask", block - 1),
        (1344, "qbmask", 0),
        (1348, "qfmask", 1023),
        (1352, "qfmask", 0),
        (1356, "postblformat", 1),
        (1360, "nrpos", 1),
        (1364, "postbloff", 1376),
        (1368, "rotbloff", 1376),
        (1372, "magic", MAGIC),
    ] {
        faults.equal(|| format!("superblock: {name}"), get32(bytes, at).into(), want.into());
    }
}

fn computed(bytes: &[u8], shape: &Shape, faults: &mut Faults) {
    let metadata: u64 = (0..shape.groups)
        .map(|group| u64::from(shape.data_at - if group == 0 { 0 } else { COPY_AT }))
        .sum();
    let table = u64::from(shape.table_bytes);
    let maps = shape.inodes_per_group / 8 + shape.frags_per_group / 8;
    let group_bytes = 172 + 6 * shape.cylinders_per_group + maps;
    for (at, name, want) in [
        (20, "dblkno", shape.data_at.into()),
        (40, "dsize", u64::from(shape.size) - metadata - table / FRAGMENT),
        (152, "csaddr", shape.data_at.into()),
        (156, "cssize", table),
        (160, "cgsize", group_bytes.next_multiple_of(1024).into()),
        (176, "ncyl", shape.size.div_ceil(CYLINDER).into()),
        (188, "fpg", shape.frags_per_group.into()),
    ] {
        faults.equal(|| format!("superblock: {name}"), get32(bytes, at).into(), want);
    }
    let state = get32(bytes, 132).wrapping_add(get32(bytes, 32));
    faults.equal(|| "superblock: state and time".to_string(), state.into(), STATE_OKAY.into());
}

fn bounds(bytes: &[u8], shape: &Shape, faults: &mut Faults) {
    let mut within = |name: &str, have: u32, good: bool| {
        if !good {
            faults.add(format!("superblock: {name} is {have}"));
        }
    };
    let field = |at| get32(bytes, at);
    within("minfree", field(60), field(60) <= 99);
    within("rotdelay", field(64), field(64) <= 1000);
    within("rps", field(68), matches!(field(68), 1..=1000));
    within("maxcontig", field(88), (1..=1 << 16).contains(&field(88)));
    within("maxbpg", field(92), (1..=shape.frags_per_group).contains(&field(92)));
    within("optim", field(128), field(128) <= 1);
    within("cgrotor", field(724), field(724) < shape.groups);
    within("version", field(1320), matches!(field(1320), 0 | 2));
    let flag = |at: usize| u32::from(bytes[at]);
    within("fmod", flag(208), flag(208) == 0);
    // FSCLEAN or FSSTABLE; a log is not read here, so FSLOG is not clean.
    within("clean", flag(209), matches!(flag(209), 1 | 2));
    within("ronly", flag(210), flag(210) == 0);
    within("flags", flag(211), flag(211) <= 1);
}
