//! A stage: candidate to release repository

fn main() {}
