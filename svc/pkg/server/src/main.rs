//! pkg.depotd: a package repository over HTTP

fn main() {}
