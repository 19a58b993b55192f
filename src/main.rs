//! opencode-cache: placeholder.
fn main() {}
