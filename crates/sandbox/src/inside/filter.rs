//! The seccomp filter of everything that runs inside: it closes the ways around the network namespace (vsock) and around the
//! filter itself (io_uring, foreign system call tables), and, where attempts are counted, has the supervisor told of every system
//! call that names an address. Never decides about addresses: a filter cannot read memory.

use libc::{
    BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW,
    SECCOMP_RET_ERRNO, SECCOMP_RET_USER_NOTIF, sock_filter,
};

/// Offsets in `struct seccomp_data`.
const CALL: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// The architecture that the system call numbers of this build belong to, as in linux/audit.h.
#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("the sandbox knows the system calls of x86_64 and aarch64");

/// x86_64's second table of system calls (x32) has this bit set; no number of aarch64's has.
const FOREIGN_TABLE: u32 = 0x4000_0000;

/// The longest message without an address that can be a DNS question on a connected socket (RFC 6891 recommends 4096). Longer
/// ones are not looked at, so that bulk traffic on loopback is not slowed down.
const LONGEST_QUESTION: u32 = 4096;

/// The filter as a program for the kernel. With `count` it needs a listener.
pub fn program(count: bool) -> Vec<sock_filter> {
    let mut program = vec![
        load(ARCHITECTURE),
        jump(BPF_JEQ, NATIVE, 1, 0),
        answer(refuse(libc::ENOSYS)),
        load(CALL),
        jump(BPF_JGE, FOREIGN_TABLE, 0, 1),
        answer(refuse(libc::ENOSYS)),
        jump(BPF_JEQ, number(libc::SYS_io_uring_setup), 0, 1),
        answer(refuse(libc::ENOSYS)),
        // Sockets to the hypervisor know no network namespace.
        jump(BPF_JEQ, number(libc::SYS_socket), 0, 4),
        load(low_half(0)),
        jump(BPF_JEQ, libc::AF_VSOCK as u32, 0, 1),
        answer(refuse(libc::EAFNOSUPPORT)),
        answer(SECCOMP_RET_ALLOW),
    ];
    if count {
        for call in [libc::SYS_connect, libc::SYS_sendmsg, libc::SYS_sendmmsg] {
            program.push(jump(BPF_JEQ, number(call), 0, 1));
            program.push(answer(SECCOMP_RET_USER_NOTIF));
        }
        program.extend([
            jump(BPF_JEQ, number(libc::SYS_sendto), 0, 7),
            // An address, in either half of the fifth argument?
            load(low_half(4)),
            jump(BPF_JEQ, 0, 0, 4),
            load(low_half(4) + 4),
            jump(BPF_JEQ, 0, 0, 2),
            load(low_half(2)),
            jump(BPF_JGT, LONGEST_QUESTION, 1, 0),
            answer(SECCOMP_RET_USER_NOTIF),
        ]);
    }
    program.push(answer(SECCOMP_RET_ALLOW));
    program
}

/// The offset of the low half of an argument; both architectures are little-endian.
const fn low_half(argument: u32) -> u32 {
    16 + 8 * argument
}

const fn number(call: libc::c_long) -> u32 {
    call as u32
}

const fn refuse(errno: i32) -> u32 {
    SECCOMP_RET_ERRNO | errno as u32
}

const fn load(offset: u32) -> sock_filter {
    sock_filter { code: (BPF_LD | BPF_W | BPF_ABS) as u16, jt: 0, jf: 0, k: offset }
}

const fn jump(test: u32, value: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | test | BPF_K) as u16, jt: yes, jf: no, k: value }
}

const fn answer(verdict: u32) -> sock_filter {
    sock_filter { code: (BPF_RET | BPF_K) as u16, jt: 0, jf: 0, k: verdict }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter as the kernel does, for one system call.
    fn verdict(count: bool, arch: u32, call: libc::c_long, arguments: [u64; 6]) -> u32 {
        let word = |offset: u32| match offset {
            CALL => call as u32,
            ARCHITECTURE => arch,
            _ => {
                let argument = arguments[((offset - 16) / 8) as usize];
                (argument >> (if offset % 8 == 4 { 32 } else { 0 })) as u32
            }
        };
        let program = program(count);
        let (mut at, mut accumulator) = (0usize, 0u32);
        loop {
            let step = program[at];
            at += 1;
            let code = u32::from(step.code);
            if code == BPF_RET | BPF_K {
                return step.k;
            } else if code == BPF_LD | BPF_W | BPF_ABS {
                accumulator = word(step.k);
            } else {
                let holds = match code & !(BPF_JMP | BPF_K) {
                    BPF_JEQ => accumulator == step.k,
                    BPF_JGE => accumulator >= step.k,
                    BPF_JGT => accumulator > step.k,
                    other => panic!("unknown test {other:#x}"),
                };
                at += usize::from(if holds { step.jt } else { step.jf });
            }
        }
    }

    #[test]
    fn calls_that_name_an_address_are_told() {
        for call in [libc::SYS_connect, libc::SYS_sendmsg, libc::SYS_sendmmsg] {
            assert_eq!(verdict(true, NATIVE, call, [0; 6]), SECCOMP_RET_USER_NOTIF);
            assert_eq!(verdict(false, NATIVE, call, [0; 6]), SECCOMP_RET_ALLOW);
        }
        let long = 1 << 20;
        for address in [0x10, 0x7fff_0000_0000] {
            assert_eq!(
                verdict(true, NATIVE, libc::SYS_sendto, [3, 1, long, 0, address, 16]),
                SECCOMP_RET_USER_NOTIF
            );
        }
        let sendto = |length| verdict(true, NATIVE, libc::SYS_sendto, [3, 1, length, 0, 0, 0]);
        assert_eq!(sendto(4096), SECCOMP_RET_USER_NOTIF);
        assert_eq!(sendto(4097), SECCOMP_RET_ALLOW);
        assert_eq!(verdict(true, NATIVE, libc::SYS_read, [0; 6]), SECCOMP_RET_ALLOW);
    }

    #[test]
    fn the_ways_around_are_closed() {
        for count in [true, false] {
            let no = refuse(libc::ENOSYS);
            assert_eq!(verdict(count, 0x4000_0003, libc::SYS_read, [0; 6]), no);
            assert_eq!(verdict(count, NATIVE, 0x4000_0000 | libc::SYS_connect, [0; 6]), no);
            assert_eq!(verdict(count, NATIVE, libc::SYS_io_uring_setup, [0; 6]), no);
            let socket =
                |family: i32| verdict(count, NATIVE, libc::SYS_socket, [family as u64, 1, 0, 0, 0, 0]);
            assert_eq!(socket(libc::AF_VSOCK), refuse(libc::EAFNOSUPPORT));
            assert_eq!(socket(libc::AF_INET), SECCOMP_RET_ALLOW);
        }
    }
}
