//! pkgrepo(1)

fn main() {}
