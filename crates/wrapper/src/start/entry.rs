//! From the kernel's stack to [`launch`], and what happens where the code itself is wrong.

use super::call::{execve, exit};
use alloc::vec::Vec;
use core::ffi::{CStr, c_char};
use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use opencode_cache_wrapper::process::{CANNOT_EXECUTE, Execute, Started};
use opencode_cache_wrapper::{launch, rescue};
use rustix::io::Errno;

/// The kernel's stack at the start: argument count, arguments, null, environment, null (System V ABI,
/// "Initial Stack and Register State"). For the panic handler, which is handed nothing.
static STACK: AtomicPtr<usize> = AtomicPtr::new(ptr::null_mut());

/// The entry point: nothing is set up, the stack pointer is all there is.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    #[cfg(target_arch = "x86_64")]
    core::arch::naked_asm!("xor ebp, ebp", "mov rdi, rsp", "and rsp, -16", "call {}", "ud2", sym begin);
    #[cfg(target_arch = "aarch64")]
    core::arch::naked_asm!("mov x29, xzr", "mov x30, xzr", "mov x0, sp", "and sp, x0, #-16", "b {}", sym begin);
}

unsafe extern "C" fn begin(stack: *mut usize) -> ! {
    STACK.store(stack, Ordering::Relaxed);
    let kernel = Kernel { stack };
    let mut environment = Strings(kernel.environment(), PhantomData);
    exit(launch(Started { environment: &mut environment, execute: &kernel }))
}

/// What the kernel put on the stack.
struct Kernel {
    stack: *const usize,
}

impl Kernel {
    fn arguments(&self) -> *const *const c_char {
        // SAFETY: the count is followed by the arguments.
        unsafe { self.stack.add(1) }.cast()
    }

    fn environment(&self) -> *const *const c_char {
        // SAFETY: the first word is the count; after as many arguments and a null comes the environment.
        unsafe { self.arguments().add(self.stack.read() + 1) }
    }
}

/// Iterates over an array of the kernel's: null-ended, its strings NUL-ended, both alive as long as the process.
struct Strings<'a>(*const *const c_char, PhantomData<&'a CStr>);

impl<'a> Iterator for Strings<'a> {
    type Item = &'a CStr;

    fn next(&mut self) -> Option<&'a CStr> {
        // SAFETY: the pointer moves within the array and stops at its null.
        unsafe {
            let string = *self.0;
            if string.is_null() {
                return None;
            }
            self.0 = self.0.add(1);
            Some(CStr::from_ptr(string))
        }
    }
}

impl Execute for Kernel {
    fn execute(&self, path: &CStr, environment: &mut dyn Iterator<Item = &CStr>) -> Errno {
        let mut variables = Vec::with_capacity(96);
        variables.extend(environment.map(CStr::as_ptr));
        variables.push(ptr::null());
        // SAFETY: every variable is NUL-ended, both arrays are null-ended, and all live until the call ends.
        unsafe { execve(path, self.arguments(), variables.as_ptr()) }
    }
}

/// A mistake of ours is no reason that OpenCode does not start: it is started with everything as the
/// user has it. Allocates nothing, for lack of memory comes here too.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    let kernel = Kernel { stack: STACK.load(Ordering::Relaxed) };
    let mut path = [0; 8192];
    if let Some(path) = rescue(&mut path) {
        // SAFETY: the kernel's own arrays.
        unsafe { execve(path, kernel.arguments(), kernel.environment()) };
    }
    exit(CANNOT_EXECUTE)
}

/// The prebuilt `alloc` names what unwinding would call. Nothing unwinds here.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() -> ! {
    exit(CANNOT_EXECUTE)
}

/// Likewise.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    exit(CANNOT_EXECUTE)
}
