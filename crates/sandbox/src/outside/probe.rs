//! What isolation can be had here, found out by making a sandbox and throwing it away. Never guesses from versions or names.

use std::fs;
use std::io;
use std::net::UdpSocket;
use std::path::Path;
use std::sync::OnceLock;

use super::sandbox::Sandbox;
use crate::Error;
use crate::spec::{Isolation, Spec};

/// Set in every Nix build: nested sandboxes are not wanted there.
const NIX_BUILD: &str = "NIX_BUILD_TOP";

/// A HOME for trying.
const TRIAL_HOME: &str = "/home/user";

/// Finds out what isolation this process can have here. The first call takes about 5 ms; later ones give the same answer.
pub fn probe() -> Isolation {
    static ANSWER: OnceLock<Isolation> = OnceLock::new();
    ANSWER.get_or_init(find).clone()
}

fn find() -> Isolation {
    let loopback_only = only_loopback();
    if loopback_only && std::env::var_os(NIX_BUILD).is_some() {
        return Isolation::LoopbackOnly;
    }
    let mut trial = Spec::new(TRIAL_HOME);
    trial.count = false;
    match Sandbox::start_as(&trial, &Isolation::Namespaces) {
        Ok(_) => Isolation::Namespaces,
        Err(_) if loopback_only => Isolation::LoopbackOnly,
        Err(error) => refused(&error),
    }
}

fn refused(error: &Error) -> Isolation {
    let cause = std::error::Error::source(error).map(|source| format!(" ({source})")).unwrap_or_default();
    Isolation::None { why: format!("{error}{cause}"), hint: Some(hint().into()) }
}

/// What most likely forbids namespaces here.
fn hint() -> &'static str {
    let set = |name: &str, value: &str| {
        fs::read_to_string(Path::new("/proc/sys").join(name)).is_ok_and(|v| v.trim() == value)
    };
    if set("kernel/apparmor_restrict_unprivileged_userns", "1") {
        "AppArmor restricts user namespaces: sysctl kernel.apparmor_restrict_unprivileged_userns=0, or run as root"
    } else if set("kernel/unprivileged_userns_clone", "0") {
        "user namespaces are off for ordinary users: sysctl kernel.unprivileged_userns_clone=1, or run as root"
    } else if set("user/max_user_namespaces", "0") {
        "user namespaces are off: sysctl user.max_user_namespaces=15000"
    } else if ["/.dockerenv", "/run/.containerenv"].iter().any(|p| Path::new(p).exists()) {
        "the container forbids user namespaces: start it with --security-opt seccomp=unconfined --security-opt apparmor=unconfined (or --privileged), or with --network=none"
    } else {
        "the kernel must allow user namespaces (Linux 5.12 or newer)"
    }
}

/// Whether no interface but loopback is up: what runs here directly cannot leave either.
fn only_loopback() -> bool {
    interfaces().is_ok_and(|names| names.iter().all(|name| name == "lo" || matches!(is_up(name), Ok(false))))
}

/// The network interfaces of this machine that are up, for a log.
#[must_use]
pub fn interfaces_up() -> Vec<String> {
    let is_down = |name: &String| matches!(is_up(name), Ok(false));
    interfaces().unwrap_or_default().into_iter().filter(|name| !is_down(name)).collect()
}

fn interfaces() -> io::Result<Vec<String>> {
    // Two lines of headings, then a line for each interface.
    let text = fs::read_to_string("/proc/self/net/dev")?;
    let names = text.lines().skip(2).filter_map(|line| line.split_once(':'));
    Ok(names.map(|(name, _)| name.trim().to_owned()).collect())
}

/// Kernels may put tunnel interfaces into every network namespace; they are down until configured.
fn is_up(name: &str) -> io::Result<bool> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    crate::sys::interface_is_up(&socket, name)
}
