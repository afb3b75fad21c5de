//! pkgsend(1)

fn main() {}
