//! What a user of canonical trees would notice, a module per promise.
#![expect(clippy::unwrap_used, clippy::print_stderr, clippy::print_stdout, reason = "tests")]

mod archive;
mod atomic;
mod deb;
mod full_disk;
mod nar;
mod nar_read;
mod search;
mod settle;
mod store;
mod support;
mod surroundings;
mod unpack;
mod unpack_hostile;
mod unzip;
mod unzip_hostile;
mod zip;
