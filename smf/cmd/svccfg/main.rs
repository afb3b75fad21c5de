//! svccfg(1)

fn main() {}
