//! The two system calls that rustix has no stable name for.

use core::arch::asm;
use core::ffi::{CStr, c_char};
use rustix::io::Errno;

/// Numbers of the kernel's table for this architecture.
#[cfg(target_arch = "x86_64")]
mod number {
    pub const EXECVE: usize = 59;
    pub const EXIT_GROUP: usize = 231;
}
#[cfg(target_arch = "aarch64")]
mod number {
    pub const EXECVE: usize = 221;
    pub const EXIT_GROUP: usize = 94;
}

/// # Safety
/// What the system call itself asks for.
unsafe fn call(number: usize, first: usize, second: usize, third: usize) -> isize {
    let result: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the kernel's convention: number and result in rax, rcx and r11 are lost.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result, in("rdi") first, in("rsi") second,
             in("rdx") third, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the kernel's convention: number in x8, result in x0, nothing else is lost.
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") first as isize => result, in("x1") second,
             in("x2") third, options(nostack));
    }
    result
}

/// `execve(2)`. Comes back only with the reason why not.
///
/// # Safety
/// Both arrays are null-ended arrays of NUL-ended strings.
pub unsafe fn execve(
    path: &CStr,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> Errno {
    // SAFETY: the path is NUL-ended; the rest is what the caller promises.
    let result =
        unsafe { call(number::EXECVE, path.as_ptr() as usize, arguments as usize, environment as usize) };
    Errno::from_raw_os_error(i32::try_from(-result).unwrap_or(Errno::INVAL.raw_os_error()))
}

/// `exit_group(2)`.
pub fn exit(status: i32) -> ! {
    loop {
        // SAFETY: takes no pointer and does not come back.
        unsafe { call(number::EXIT_GROUP, status as usize, 0, 0) };
    }
}
