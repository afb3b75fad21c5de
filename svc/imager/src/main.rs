//! A stage: repository to media

fn main() {}
