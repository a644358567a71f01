//! The one binary: wires everything.
fn main() {}
