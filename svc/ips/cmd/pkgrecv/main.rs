//! pkgrecv(1)

fn main() {}
