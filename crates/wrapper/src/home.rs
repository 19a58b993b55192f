//! The user's home directory, as OpenCode will see it: `HOME`, and where that says nothing, what the
//! system's list of users says (bun's `os.homedir()`, OpenCode 1.18.18).

use crate::environment::Environment;
use crate::output::read_bounded;
use alloc::vec::Vec;
use rustix::process::getuid;

/// Largest list of users that is read. Users that are listed elsewhere (a directory service) must set `HOME`.
const MOST_USERS: usize = 1 << 20;

/// The home directory, if it is an absolute path.
pub fn of(environment: &Environment<'_>) -> Option<Vec<u8>> {
    let home = match environment.get(b"HOME") {
        None | Some(b"") => listed(&read_bounded(b"/etc/passwd", 4096, MOST_USERS).ok()?, getuid().as_raw())?,
        Some(home) => home.to_vec(),
    };
    home.starts_with(b"/").then_some(home)
}

/// The sixth field of the line that has this number in the third (passwd(5)).
fn listed(users: &[u8], wanted: u32) -> Option<Vec<u8>> {
    users.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let number = fields.nth(2)?.iter().try_fold(0_u32, |number, digit| {
            let digit = char::from(*digit).to_digit(10)?;
            number.checked_mul(10)?.checked_add(digit)
        });
        if number == Some(wanted) { fields.nth(2).map(<[u8]>::to_vec) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn the_line_of_the_user_says_it() {
        let users = b"root:x:0:0:root:/root:/bin/bash\nbroken\nme:x:1000:100:Me,,,:/home/me:/bin/sh\n";
        assert_eq!(listed(users, 1000).as_deref(), Some(b"/home/me".as_slice()));
        assert_eq!(listed(users, 0).as_deref(), Some(b"/root".as_slice()));
        assert_eq!(listed(users, 100), None);
    }
}
