//! similar.rs - the path that somebody may have meant.

/// Of many paths the one that is most like another: the same last part, or the fewest changes.  None
/// if none is much like it.
#[must_use]
pub fn nearest<'a>(path: &str, among: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = |path: &'a str| path.rsplit('/').next().unwrap_or(path);
    let wanted = path.rsplit('/').next().unwrap_or(path);
    let most = path.len() / 4 + 1;
    let mut best: Option<(usize, &str)> = None;
    for other in among {
        let limit = best.map_or(most, |(distance, _)| distance.saturating_sub(1));
        let close = distance(path.as_bytes(), other.as_bytes(), limit);
        // The same file elsewhere is as good as a few letters.
        let moved = (name(other) == wanted && limit >= 2).then_some(2);
        let found = close.into_iter().chain(moved).min();
        if let Some(distance) = found.filter(|distance| *distance <= limit) {
            best = Some((distance, other));
        }
        if matches!(best, Some((0, _))) {
            break;
        }
    }
    best.map(|(_, other)| other)
}

/// Letters to be put in, taken out or changed; none beyond the limit.
fn distance(one: &[u8], other: &[u8], limit: usize) -> Option<usize> {
    if one.len().abs_diff(other.len()) > limit {
        return None;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let (mut corner, mut least) = (row[0], i + 1);
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let changed = corner + usize::from(a != b);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
            least = least.min(row[j + 1]);
        }
        if least > limit {
            return None;
        }
    }
    row.last().copied().filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_path() {
        let among = ["usr/bin/ls", "usr/sbin/ifconfig", "etc/passwd", "lib/libc.so.1"];
        for (path, near) in [
            ("usr/bin/lss", Some("usr/bin/ls")),
            ("sbin/ifconfig", Some("usr/sbin/ifconfig")),
            ("usr/lib/libc.so.1", Some("lib/libc.so.1")),
            ("etc/pasword", Some("etc/passwd")),
            ("kernel/drv/amd64/pci", None),
            ("etc/passwd", Some("etc/passwd")),
        ] {
            assert_eq!(nearest(path, among), near, "{path}");
        }
        assert_eq!(nearest("x", []), None);
    }
}
