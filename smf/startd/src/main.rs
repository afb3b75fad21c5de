//! svc.startd.

fn main() {}
