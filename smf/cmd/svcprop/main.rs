//! svcprop(1)

fn main() {}
