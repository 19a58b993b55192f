//! The memory functions that compiled code calls by their C names. Without a C library they are ours.
//! Written so that the compiler does not see them for what they are and calls themselves in their place.

use core::arch::asm;
use core::ffi::c_int;

/// C's `memcpy`.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, size: usize) -> *mut u8 {
    // SAFETY: what the caller promises; the direction flag is clear by the ABI. Most copies here are short, and
    // what the one instruction takes to get going is longer than they are.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("cmp rcx, 128", "ja 4f",
             "2:", "cmp rcx, 8", "jb 3f", "mov {w}, [rsi]", "mov [rdi], {w}", "add rsi, 8", "add rdi, 8", "sub rcx, 8",
             "jmp 2b",
             "3:", "test rcx, rcx", "jz 5f", "mov {w:l}, [rsi]", "mov [rdi], {w:l}", "inc rsi", "inc rdi", "dec rcx",
             "jmp 3b",
             "4:", "rep movsb", "5:",
             w = out(reg) _, inout("rcx") size => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: what the caller promises.
    unsafe {
        asm!("cbz {n}, 3f", "2:", "ldrb {b:w}, [{f}], #1", "strb {b:w}, [{t}], #1", "subs {n}, {n}, #1", "b.ne 2b",
             "3:", n = inout(reg) size => _, f = inout(reg) from => _, t = inout(reg) to => _, b = out(reg) _,
             options(nostack));
    }
    to
}

/// C's `memmove`.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, size: usize) -> *mut u8 {
    if to.addr().wrapping_sub(from.addr()) >= size {
        // SAFETY: what lies ahead is read before it is written.
        return unsafe { memcpy(to, from, size) };
    }
    let mut left = size;
    while left > 0 {
        left -= 1;
        // SAFETY: within both; volatile, so that no `memmove` is made of the loop.
        unsafe { to.add(left).write_volatile(from.add(left).read_volatile()) };
    }
    to
}

/// C's `memset`.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memset(to: *mut u8, byte: c_int, size: usize) -> *mut u8 {
    // SAFETY: what the caller promises; the direction flag is clear by the ABI.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("rep stosb", inout("rcx") size => _, inout("rdi") to => _, in("al") byte as u8,
             options(nostack, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: what the caller promises.
    unsafe {
        asm!("cbz {n}, 3f", "2:", "strb {b:w}, [{t}], #1", "subs {n}, {n}, #1", "b.ne 2b", "3:",
             n = inout(reg) size => _, t = inout(reg) to => _, b = in(reg) byte, options(nostack));
    }
    to
}

/// C's `memcmp`.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, size: usize) -> c_int {
    let mut at = 0;
    // SAFETY: within both, as the caller promises; a word at a time as long as one fits.
    unsafe {
        while at + 8 <= size {
            let (a, b) = (one.add(at).cast::<u64>(), other.add(at).cast::<u64>());
            if a.read_unaligned() != b.read_unaligned() {
                break;
            }
            at += 8;
        }
        while at < size {
            let (a, b) = (one.add(at).read_volatile(), other.add(at).read_volatile());
            if a != b {
                return c_int::from(a) - c_int::from(b);
            }
            at += 1;
        }
    }
    0
}

/// What compilers call where only equality matters.
///
/// # Safety
/// As `memcmp`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bcmp(one: *const u8, other: *const u8, size: usize) -> c_int {
    // SAFETY: the same.
    unsafe { memcmp(one, other, size) }
}

/// C's `strlen`.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn strlen(string: *const u8) -> usize {
    let mut length = 0;
    // SAFETY: up to the NUL that the caller promises; volatile, so that no `strlen` is made of the loop.
    while unsafe { string.add(length).read_volatile() } != 0 {
        length += 1;
    }
    length
}
