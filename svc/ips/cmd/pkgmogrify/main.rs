//! pkgmogrify(1)

fn main() {}
