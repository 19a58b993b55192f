//! Placeholder: to be written.
fn main() {}
