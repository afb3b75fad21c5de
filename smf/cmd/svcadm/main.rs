//! svcadm(1)

fn main() {}
