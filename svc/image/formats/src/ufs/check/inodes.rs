//! inodes.rs - every inode by itself, and that no fragment has two owners.

use std::io::{Read, Seek};

use super::{Faults, Nodes, Shape};
use crate::ufs::layout::*;
use crate::ufs::map::steps;
use crate::ufs::read::{Image, Node, NodeKind, Piece, ReadError};

/// Looks at all inodes; marks in `owned` what they own.
pub fn check<R: Read + Seek>(
    image: &mut Image<R>,
    shape: &Shape,
    owned: &mut [u8],
    faults: &mut Faults,
) -> Result<Nodes, ReadError> {
    let count = shape.groups as usize * shape.inodes_per_group as usize;
    let mut nodes = Nodes { kinds: vec![0; count], links: vec![0; count] };
    for group in 0..shape.groups {
        let frags = shape.inodes_per_group / INODES_PER_FRAG;
        let table = image.frags(shape.start(group) + INODES_AT, frags)?;
        for (index, bytes) in (0..).zip(table.chunks_exact(INODE)) {
            let number = group * shape.inodes_per_group + index;
            if get16(bytes, 0) == 0 || number < ROOT {
                free(number, bytes, faults);
                continue;
            }
            nodes.kinds[number as usize] = get16(bytes, 0) & kind::MASK;
            nodes.links[number as usize] = get16(bytes, 2);
            fields(number, bytes, faults);
            match image.node(number) {
                Ok(node) => blocks(image, &node, owned, faults),
                Err(ReadError::Io(error)) => return Err(error.into()),
                Err(error) => faults.add(error.to_string()),
            }
        }
    }
    Ok(nodes)
}

/// A free inode has nothing but, at most, a generation.
fn free(number: u32, bytes: &[u8], faults: &mut Faults) {
    if let Some(at) = (0..INODE).find(|&at| bytes[at] != 0 && !(108..112).contains(&at)) {
        faults.add(format!("inode {number}: free, but its byte {at} is not 0"));
    }
}

/// What one inode says of itself.
fn fields(number: u32, bytes: &[u8], faults: &mut Faults) {
    let field = |at| get32(bytes, at);
    let mut bad = |what: &str| faults.add(format!("inode {number}: {what}"));
    for (short, long, what) in [(4, 116, "owner"), (6, 120, "group")] {
        if u32::from(get16(bytes, short)) != field(long).min(0xffff) {
            bad(&format!("its two fields of the {what} disagree"));
        }
    }
    if [20, 28, 36].into_iter().any(|at| field(at) > 999_999) {
        bad("microseconds of a time");
    }
    if [100, 112, 124].into_iter().any(|at| field(at) != 0) {
        bad("flags, access control list or attributes, which are not known here");
    }
    let (kind, size) = (get16(bytes, 0) & kind::MASK, get64(bytes, 8));
    let direct = |index: usize| field(40 + 4 * index);
    match kind {
        kind::CHARACTER | kind::BLOCK | kind::FIFO => {
            // A device's number lies in the second address.
            let number_at = if kind == kind::FIFO { DIRECT + 3 } else { 1 };
            if (0..DIRECT + 3).any(|index| index != number_at && direct(index) != 0) {
                bad("addresses where there is no data");
            }
            if size != 0 || field(104) != 0 {
                bad("a size where there is no data");
            }
        }
        kind::FILE | kind::DIRECTORY | kind::SYMLINK => {
            let blocks = size.div_ceil(BLOCK);
            if (0..DIRECT).any(|index| index as u64 >= blocks && direct(index) != 0) {
                bad("an address behind its end");
            }
            let depth = if blocks == 0 { 0 } else { steps(blocks - 1).len() };
            if (depth..3).any(|level| direct(DIRECT + level) != 0) {
                bad("an indirect block behind its end");
            }
        }
        // The reader says it.
        _ => {}
    }
    if kind == kind::DIRECTORY && (size == 0 || size % CHUNK as u64 != 0) {
        bad("a directory's size");
    }
    if kind == kind::SYMLINK && size > LINK_MAX as u64 {
        bad("a link's size");
    }
}

/// The fragments of one inode.
fn blocks<R: Read + Seek>(
    image: &mut Image<R>,
    node: &Node,
    owned: &mut [u8],
    faults: &mut Faults,
) {
    let end = image.field(36);
    let (mut sectors, mut data, mut last) = (0u64, 0u64, None);
    let number = node.number;
    let visited = image.each_piece(node, &mut |_, piece| {
        let (at, frags) = match piece {
            Piece::Data { index, at, frags } => {
                data += 1;
                last = Some(index);
                (at, frags)
            }
            Piece::Indirect(at) => (at, FRAGS),
            Piece::Beyond(at) => {
                faults.add(format!("inode {number}: address {at} behind its end"));
                return Ok(());
            }
        };
        sectors += u64::from(frags * SECTORS_PER_FRAG);
        if at % FRAGS + frags > FRAGS {
            faults.add(format!("inode {number}: fragments from {at} cross a block's end"));
        }
        for frag in at..at.saturating_add(frags) {
            if frag >= end || bit(owned, frag) {
                faults.add(format!("inode {number}: fragment {frag} is not its own"));
            } else {
                set_bit(owned, frag);
            }
        }
        Ok(())
    });
    if let Err(error) = visited {
        faults.add(format!("inode {number}: {error}"));
        return;
    }
    faults.equal(|| format!("inode {number}: sectors"), node.sectors.into(), sectors);
    // Who makes a file longer gives it its last block.
    let blocks = node.size.div_ceil(BLOCK);
    if blocks > 0 && last != Some(blocks - 1) {
        faults.add(format!("inode {number}: its last block is a hole"));
    }
    if node.kind != NodeKind::File && data != blocks {
        faults.add(format!("inode {number}: a hole, and it is no file"));
    } else if node.kind == NodeKind::Symlink {
        link(image, node, faults);
    }
}

/// A link's text ends where its size says, and nothing follows it in its last fragment.
fn link<R: Read + Seek>(image: &mut Image<R>, node: &Node, faults: &mut Faults) {
    let size = node.size as usize;
    let frags = frags_of_block(node.size, 0);
    let good = match image.frags(node.direct[0], frags) {
        Ok(bytes) if size > 0 && size <= LINK_MAX => {
            !bytes[..size].contains(&0) && bytes[size..].iter().all(|&byte| byte == 0)
        }
        _ => false,
    };
    if !good {
        faults.add(format!("inode {}: its text does not end where its size says", node.number));
    }
}
