//! The few system calls that have no safe wrapper elsewhere, one small function each. Owns all unsafe code of the crate.
#![expect(unsafe_code, reason = "fork, unshare, seccomp and its notifications have no safe interface")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Room for a notification and an answer: far more than the 80 and 24 bytes of today's kernels, in case they grow.
const NOTIFICATION_WORDS: usize = 64;

/// The number of `SECCOMP_IOCTL_NOTIF_ID_VALID` before Linux 5.9, with the direction the wrong way round.
const ID_VALID_BEFORE_5_9: u32 = 0x8008_2102;

fn result(returned: libc::c_long) -> io::Result<libc::c_long> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}

/// Forks. `None` in the child.
///
/// Only for a process with one thread: the caller is the hidden `main`, which has started none.
pub fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: the process has a single thread, so the child's memory is consistent.
    let pid = result(libc::c_long::from(unsafe { libc::fork() }))?;
    Ok(Pid::from_raw(pid as i32))
}

/// Has ended children wait to be reaped, also where the caller's caller ignored them.
pub fn keep_ended_children() {
    // SAFETY: no function of ours is installed.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Gives every signal its default meaning again: what the caller's caller ignored (`nohup`, a job of a script in the background) would
/// stay ignored in what is executed. System calls only.
pub fn nothing_ignored() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: no function of ours is installed. The two that cannot be changed, and the C library's own, are refused: they are what
        // they should be.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Kills every process of this pid namespace but its first. Only for that first process.
pub fn kill_all_of_the_namespace() -> io::Result<()> {
    // SAFETY: no memory is involved.
    match result(libc::c_long::from(unsafe { libc::kill(-1, libc::SIGKILL) })) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        other => other.map(drop),
    }
}

/// Leaves the namespaces named by `flags`. Only for a process with one thread.
pub fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: the unsafety is CLONE_FILES's and that of other threads; neither is there.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags) }?)
}

/// Marks `fd` as not for programs that are executed.
pub fn close_on_exec(fd: RawFd) -> io::Result<()> {
    // SAFETY: borrowed for this call only; a number that is not open gives EBADF.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    Ok(rustix::io::fcntl_setfd(borrowed, rustix::io::FdFlags::CLOEXEC)?)
}

/// Has `prepare` run in the child between fork and exec.
///
/// `prepare` may do nothing but system calls: no allocation, no locks.
pub fn before_exec(command: &mut Command, prepare: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
    // SAFETY: by the contract above, which the only caller (inside::spawner) keeps.
    unsafe { command.pre_exec(prepare) };
}

/// Whether a network interface is up. `socket` is any socket of the network namespace.
pub fn interface_is_up(socket: &impl AsRawFd, name: &str) -> io::Result<bool> {
    // SAFETY: plain bytes, for which zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = byte as libc::c_char;
    }
    // SAFETY: the kernel reads the name and writes the flags of the structure.
    result(libc::c_long::from(unsafe {
        libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &raw mut request)
    }))?;
    // SAFETY: the call above filled this member of the union.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    Ok(i32::from(flags) & libc::IFF_UP != 0)
}

/// Makes a mount and all below it read-only (Linux 5.12).
pub fn read_only_recursively(path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    let attributes =
        libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: both pointers outlive the call and the size is that of what is pointed at.
    result(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    })
    .map(drop)
}

fn c_path(path: &Path) -> io::Result<CString> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}

/// Installs a seccomp filter for this thread and what it starts; with `listen`, gives the descriptor of its notifications.
pub fn install_filter(program: &[libc::sock_filter], listen: bool) -> io::Result<Option<OwnedFd>> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_ptr().cast_mut(),
    };
    let flags = if listen { libc::SECCOMP_FILTER_FLAG_NEW_LISTENER } else { 0 };
    // SAFETY: the program outlives the call; the kernel copies and checks it.
    let returned = result(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    })?;
    // SAFETY: with NEW_LISTENER the kernel returns a new descriptor that nobody else owns.
    Ok(listen.then(|| unsafe { OwnedFd::from_raw_fd(returned as RawFd) }))
}

/// A system call that waits for the supervisor's word.
pub struct Notification {
    /// The kernel's name for this wait.
    pub id: u64,
    /// The thread, as numbered in the reader's pid namespace.
    pub thread: u32,
    /// The system call.
    pub call: i64,
    /// Its arguments.
    pub arguments: [u64; 6],
}

/// Takes the next notification.
pub fn next_notification(listener: BorrowedFd<'_>) -> io::Result<Notification> {
    let mut room = [0u64; NOTIFICATION_WORDS];
    // SAFETY: zeroed as the kernel demands, aligned, and larger than its structure.
    result(libc::c_long::from(unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV as _, room.as_mut_ptr())
    }))?;
    // SAFETY: the kernel filled a seccomp_notif, which is plain integers, at an aligned address.
    let raw = unsafe { room.as_ptr().cast::<libc::seccomp_notif>().read() };
    Ok(Notification { id: raw.id, thread: raw.pid, call: i64::from(raw.data.nr), arguments: raw.data.args })
}

/// Whether the system call still waits, so that what was read of its process was not of another.
pub fn still_waits(listener: BorrowedFd<'_>, id: u64) -> bool {
    let ask = |number: u32| {
        // SAFETY: the kernel reads eight bytes.
        result(libc::c_long::from(unsafe { libc::ioctl(listener.as_raw_fd(), number as _, &raw const id) }))
    };
    match ask(libc::SECCOMP_IOCTL_NOTIF_ID_VALID as u32) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => ask(ID_VALID_BEFORE_5_9).is_ok(),
        answer => answer.is_ok(),
    }
}

/// Lets the system call go on as if nobody had looked.
pub fn let_continue(listener: BorrowedFd<'_>, id: u64) -> io::Result<()> {
    let mut room = [0u64; NOTIFICATION_WORDS];
    let answer = libc::seccomp_notif_resp {
        id,
        val: 0,
        error: 0,
        flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
    };
    // SAFETY: an aligned place that is large enough, written before the kernel reads it.
    unsafe {
        room.as_mut_ptr().cast::<libc::seccomp_notif_resp>().write(answer);
    }
    // SAFETY: as above.
    result(libc::c_long::from(unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND as _, room.as_mut_ptr())
    }))
    .map(drop)
}
