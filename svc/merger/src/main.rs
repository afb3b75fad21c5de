//! A stage: repositories to one candidate

fn main() {}
