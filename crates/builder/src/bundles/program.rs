//! For which system a program is, and whether it needs anything there. Looks at the first bytes only, and runs nothing.

use lock::System;

/// Why a program cannot go with a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// It wants the machine's own loader and C library.
    Dynamic,
    /// It is for a system other than its neighbour's or than any output's.
    Other,
    /// It is no program that any of OpenCode's systems runs.
    None,
}

/// The segment that names a loader (ELF's specification, "Program Header").
const PT_INTERP: u32 = 3;

/// ELF's numbers of processors.
const EM_X86_64: u16 = 62;
const EM_AARCH64: u16 = 183;

/// The first four bytes of a Mach-O for one processor of 64 bits, and its numbers of those (`mach-o/loader.h`, `mach/machine.h`).
const MACH_O: u32 = 0xfeed_facf;
const CPU_X86_64: u32 = 0x0100_0007;
const CPU_ARM64: u32 = 0x0100_000c;

/// The system that runs it without anything else. (On macOS every program needs the system's library, which every system has.)
pub(super) fn system(bytes: &[u8]) -> Result<System, Wrong> {
    match bytes.get(..4) {
        Some(b"\x7fELF") => elf(bytes).unwrap_or(Err(Wrong::None)),
        Some(_) if word(bytes, 0) == Some(MACH_O) => match word(bytes, 4) {
            Some(CPU_X86_64) => Ok(System::X86_64Darwin),
            Some(CPU_ARM64) => Ok(System::Aarch64Darwin),
            _ => Err(Wrong::None),
        },
        _ => Err(Wrong::None),
    }
}

/// `None` where it ends too soon.
fn elf(bytes: &[u8]) -> Option<Result<System, Wrong>> {
    // 64 bits, the low byte first.
    if bytes.get(4..6)? != [2, 1] {
        return Some(Err(Wrong::None));
    }
    let half = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?));
    let system = match half(18)? {
        EM_X86_64 => System::X86_64Linux,
        EM_AARCH64 => System::Aarch64Linux,
        _ => return Some(Err(Wrong::None)),
    };
    let table = usize::try_from(u64::from_le_bytes(bytes.get(32..40)?.try_into().ok()?)).ok()?;
    let (size, count) = (usize::from(half(54)?), usize::from(half(56)?));
    for number in 0..count {
        if word(bytes, table.checked_add(number.checked_mul(size)?)?)? == PT_INTERP {
            return Some(Err(Wrong::Dynamic));
        }
    }
    Some(Ok(system))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The head of a program with one segment.
    fn head(machine: u16, segment: u32) -> Vec<u8> {
        let mut bytes = vec![0; 120];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = 1;
        bytes[64..68].copy_from_slice(&segment.to_le_bytes());
        bytes
    }

    #[test]
    fn static_ones_of_systems_that_are_known() {
        assert_eq!(system(&head(EM_X86_64, 1)), Ok(System::X86_64Linux));
        assert_eq!(system(&head(EM_AARCH64, 1)), Ok(System::Aarch64Linux));
        assert_eq!(system(&head(EM_X86_64, PT_INTERP)), Err(Wrong::Dynamic));
        assert_eq!(system(&head(3, 1)), Err(Wrong::None));
        assert_eq!(system(&[0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 1]), Ok(System::Aarch64Darwin));
        assert_eq!(system(b"#!/bin/sh\n"), Err(Wrong::None));
        // This one is a program for this machine, and wants a loader.
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(
            System::host()
                .is_none_or(|host| matches!(system(&own), Err(Wrong::Dynamic)) || system(&own) == Ok(host))
        );
    }

    #[test]
    fn whatever_ends_too_soon_is_none() {
        let whole = head(EM_X86_64, 1);
        assert!((0..68).all(|cut| system(&whole[..cut]) == Err(Wrong::None)));
        let mut far = whole.clone();
        far[32..40].fill(0xff);
        assert_eq!(system(&far), Err(Wrong::None));
    }
}
