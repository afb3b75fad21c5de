//! The switch of the pipeline

fn main() {}
