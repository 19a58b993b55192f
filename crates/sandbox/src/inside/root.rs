//! The file system of a sandbox: a small tmpfs with the system's programs bound read-only, a minimal `/etc` and `/dev`, `/proc` of
//! the new pid namespace, `/tmp` and HOME of their own. `/run` and `/var` are empty, so that no name service's socket is there.
//! Never shows the caller's HOME or working directory.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use super::{ID_INSIDE, OrFail};
use crate::sys;
use crate::wire::{Failure, Plan};

/// Where the new root is put together: present on every Linux.
const BASE: &str = "/tmp";
/// The machine's root and the new one, while both are there.
const OLD: &str = "/old";
const NEW: &str = "/new";

/// Bound of the root itself, which holds `/etc` and mount points.
const ROOT_OPTIONS: &str = "mode=0755,size=64m";

/// What of the machine's system is visible, where it exists. Links are made again as links.
const SYSTEM: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32", "/nix/store"];

/// What of the machine's `/etc` the loader and Debian's links of alternatives need, where it exists.
const SYSTEM_ETC: [&str; 6] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/services",
    "/etc/protocols",
];

/// Devices, bound from the machine where they exist; `null` must.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Parts of `/proc` that a file owner of number 0 may write: read-only, since root's sandbox keeps root's number outside.
const PROC_READ_ONLY: [&str; 4] = ["sys", "sysrq-trigger", "irq", "bus"];

const HOSTS: &str = "127.0.0.1\tlocalhost sandbox\n::1\tlocalhost\n";
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\n";
const RESOLV: &str = "nameserver 127.0.0.1\n";

/// Builds the root and makes it this process's. It is still writable.
pub fn build(plan: &Plan) -> Result<(), Failure> {
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let root = Path::new("/");
    rustix::mount::mount_change(root, MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .or_fail("make private", Some(root))?;
    tmpfs(Path::new(BASE), ROOT_OPTIONS)?;
    for directory in [OLD, NEW] {
        make_directory(&Path::new(BASE).join(&directory[1..]))?;
    }
    rustix::process::pivot_root(BASE, format!("{BASE}{OLD}")).or_fail("pivot to", Some(Path::new(BASE)))?;
    std::env::set_current_dir("/").or_fail("go to", Some(root))?;
    tmpfs(Path::new(NEW), ROOT_OPTIONS)?;
    system()?;
    etc(plan)?;
    devices(plan)?;
    proc()?;
    private_directories(plan)?;
    for (source, target, writable) in &plan.binds {
        bind(Path::new(source), Path::new(target), *writable)?;
    }
    std::env::set_current_dir(NEW).or_fail("go to", Some(Path::new(NEW)))?;
    rustix::process::pivot_root(".", ".").or_fail("pivot to", Some(Path::new(NEW)))?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).or_fail("detach the old root", None)?;
    std::env::set_current_dir("/").or_fail("go to", Some(root))?;
    rustix::system::sethostname(b"sandbox").or_fail("set the host name", None)
}

/// Makes the root itself read-only; HOME, `/tmp` and writable binds are mounts of their own.
pub fn seal() -> Result<(), Failure> {
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount_remount("/", flags, "").or_fail("seal", Some(Path::new("/")))
}

/// The root as a descriptor, for the caller to reach files by.
pub fn open() -> Result<std::os::fd::OwnedFd, Failure> {
    rustix::fs::openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .or_fail("open", Some(Path::new("/")))
}

fn inside(path: &Path) -> PathBuf {
    Path::new(NEW).join(path.strip_prefix("/").unwrap_or(path))
}

fn outside(path: &Path) -> PathBuf {
    Path::new(OLD).join(path.strip_prefix("/").unwrap_or(path))
}

fn system() -> Result<(), Failure> {
    for path in SYSTEM.map(Path::new) {
        let Ok(found) = outside(path).symlink_metadata() else {
            continue;
        };
        if found.is_symlink() {
            let target = fs::read_link(outside(path)).or_fail("read link", Some(path))?;
            symlink(target, inside(path)).or_fail("make link", Some(path))?;
        } else {
            bind(path, path, false)?;
        }
    }
    Ok(())
}

fn etc(plan: &Plan) -> Result<(), Failure> {
    make_directory(&inside(Path::new("/etc")))?;
    let home = Path::new(&plan.home).display();
    let passwd = format!(
        "root:x:0:0:root:/root:/bin/sh\nuser:x:{ID_INSIDE}:{ID_INSIDE}:user:{home}:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
    );
    let group = format!("root:x:0:\nuser:x:{ID_INSIDE}:\nnogroup:x:65534:\n");
    for (path, content) in [
        ("/etc/passwd", passwd.as_str()),
        ("/etc/group", group.as_str()),
        ("/etc/hosts", HOSTS),
        ("/etc/nsswitch.conf", NSSWITCH),
        ("/etc/resolv.conf", RESOLV),
    ] {
        fs::write(inside(Path::new(path)), content).or_fail("write", Some(Path::new(path)))?;
    }
    for path in SYSTEM_ETC.map(Path::new) {
        if outside(path).symlink_metadata().is_ok_and(|m| !m.is_symlink()) {
            bind(path, path, false)?;
        }
    }
    Ok(())
}

fn devices(plan: &Plan) -> Result<(), Failure> {
    let dev = Path::new("/dev");
    make_directory(&inside(dev))?;
    for name in DEVICES {
        let device = dev.join(name);
        if name == "null" || outside(&device).exists() {
            bind(&device, &device, true)?;
        }
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        let link = dev.join(name);
        symlink(target, inside(&link)).or_fail("make link", Some(&link))?;
    }
    let shared = inside(&dev.join("shm"));
    make_directory(&shared)?;
    tmpfs(&shared, &format!("mode=1777,size={}", plan.tmp_bytes))?;
    let terminals = inside(&dev.join("pts"));
    make_directory(&terminals)?;
    // Some containers forbid it; then there are no pseudo-terminals inside, which only tools with a terminal of their own miss.
    let _ = rustix::mount::mount(
        "devpts",
        &terminals,
        "devpts",
        MountFlags::NOSUID | MountFlags::NOEXEC,
        c"newinstance,ptmxmode=0666,mode=0620",
    );
    Ok(())
}

/// `/proc` of the new pid namespace. In containers that cover parts of theirs the kernel refuses it: then the container's own,
/// read-only. What runs inside can see other processes' names there, but reach nothing through them: another user namespace's
/// processes are closed to it.
fn proc() -> Result<(), Failure> {
    let path = Path::new("/proc");
    let target = inside(path);
    make_directory(&target)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    if rustix::mount::mount("proc", &target, "proc", flags, None).is_err() {
        return bind(path, path, false);
    }
    for name in PROC_READ_ONLY {
        let part = target.join(name);
        if part.exists() {
            rustix::mount::mount_bind_recursive(&part, &part).or_fail("bind", Some(&part))?;
            sys::read_only_recursively(&part).or_fail("make read-only", Some(&part))?;
        }
    }
    Ok(())
}

fn private_directories(plan: &Plan) -> Result<(), Failure> {
    for path in ["/run", "/var"] {
        make_directory(&inside(Path::new(path)))?;
    }
    symlink("/tmp", inside(Path::new("/var/tmp"))).or_fail("make link", Some(Path::new("/var/tmp")))?;
    let tmp = inside(Path::new("/tmp"));
    make_directory(&tmp)?;
    tmpfs(&tmp, &format!("mode=1777,size={}", plan.tmp_bytes))?;
    let home = inside(Path::new(&plan.home));
    make_directory(&home)?;
    tmpfs(&home, &format!("mode=0700,size={}", plan.home_bytes))
}

fn tmpfs(target: &Path, options: &str) -> Result<(), Failure> {
    let options =
        std::ffi::CString::new(options).map_err(io::Error::other).or_fail("mount tmpfs on", Some(target))?;
    rustix::mount::mount("tmpfs", target, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, options.as_c_str())
        .or_fail("mount tmpfs on", Some(target))
}

/// Binds a path of the machine, with all that is mounted below it. The caller has resolved the links in `source`.
fn bind(source: &Path, target: &Path, writable: bool) -> Result<(), Failure> {
    let from = outside(source);
    let to = inside(target);
    let found = from.metadata().or_fail("bind", Some(source))?;
    if found.is_dir() {
        make_directory(&to)?;
    } else if !to.is_file() {
        if let Some(parent) = to.parent() {
            make_directory(parent)?;
        }
        // Appending does not hurt a file that is there already.
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&to)
            .or_fail("make a mount point at", Some(target))?;
    }
    rustix::mount::mount_bind_recursive(&from, &to).or_fail("bind", Some(source))?;
    if writable {
        return Ok(());
    }
    sys::read_only_recursively(&to).or_fail("make read-only", Some(target))
}

fn make_directory(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).or_fail("make directory", Some(path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).or_fail("set the mode of", Some(path))
}
