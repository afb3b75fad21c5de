//! A stage: gate to packages

fn main() {}
