//! svcs(1)

fn main() {}
