//! What each operating system has its own way for: the program that runs, other processes, the path of something
//! open, what a mount allows. Owns every difference between Linux and macOS; the rest of the library has none.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::*;

#[cfg(not(target_os = "linux"))]
mod darwin;
#[cfg(not(target_os = "linux"))]
pub use darwin::*;
