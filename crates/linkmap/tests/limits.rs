//! Property: what exceeds a limit is refused, what just fits is read, in a time linear in its size.
#![expect(clippy::unwrap_used, reason = "a test")]

use opencode_cache_linkmap::{LinkMap, MAX_BYTES, MAX_ENTRIES, MAX_PATH, Map, Reason, Root};
use std::time::{Duration, Instant};

const HEAD: &str = "opencode-cache linkmap 1\nexec\tx\nroot\topencode\n";

fn reason(text: &[u8]) -> Reason {
    Map::parse(text).unwrap_err().reason
}

#[test]
fn entries_up_to_the_limit() {
    let lines = |count: usize| {
        let entries = (0..count).map(|n| format!("keep\tcache\t{n:05}\n"));
        HEAD.to_owned() + &entries.collect::<String>()
    };
    let fits = lines(MAX_ENTRIES);
    assert_eq!(Map::parse(fits.as_bytes()).unwrap().entries().count(), MAX_ENTRIES);
    assert_eq!(reason(lines(MAX_ENTRIES + 1).as_bytes()), Reason::TooManyEntries);
}

#[test]
fn paths_up_to_the_limit() {
    let long = |length| format!("{HEAD}keep\tcache\t{}\n", "a".repeat(length));
    assert!(Map::parse(long(MAX_PATH).as_bytes()).is_ok());
    assert_eq!(reason(long(MAX_PATH + 1).as_bytes()), Reason::TooLong);
    let value = format!("{HEAD}env\tA\t{}\n", "a".repeat(MAX_PATH + 1));
    assert_eq!(reason(value.as_bytes()), Reason::TooLong);
}

#[test]
fn a_gigabyte_is_refused_by_its_size_alone() {
    assert_eq!(reason(&vec![b'a'; MAX_BYTES + 1]), Reason::TooLarge);
}

#[test]
fn a_line_feed_in_a_path_does_not_smuggle_an_entry_in() {
    let mut map = LinkMap::new("x", "opencode");
    map.link(Root::Cache, "a", "s\nlink\tcache\tb\ts");
    assert_eq!(map.render().unwrap_err().reason, Reason::ControlCharacter);
}

#[test]
fn the_largest_texts_are_read_or_refused_at_once() {
    let filled = |line: &dyn Fn(usize) -> String| {
        let mut text = HEAD.to_owned();
        for line in (0..).map(line) {
            if text.len() + line.len() > MAX_BYTES {
                return text;
            }
            text.push_str(&line);
        }
        text
    };
    let deep = "a/".repeat(120);
    let texts = [
        // Each differs from its neighbour in its last byte only.
        filled(&|n| format!("env\t{:a<240}{n:05}\t\n", "")),
        filled(&|n| format!("keep\tcache\t{deep}{n:05}\n")),
        filled(&|_| "\t".repeat(1000) + "\n"),
        filled(&|_| "\n".to_owned()),
        HEAD.to_owned() + &"a/".repeat((MAX_BYTES - HEAD.len()) / 2),
        "opencode-cache linkmap 1".to_owned() + &"1".repeat(MAX_BYTES - HEAD.len()),
    ];
    let begin = Instant::now();
    assert!(Map::parse(texts[0].as_bytes()).unwrap().env().count() > 4000);
    assert!(Map::parse(texts[1].as_bytes()).unwrap().entries().count() > 4000);
    for text in &texts {
        assert!(text.len() > MAX_BYTES - 2000 && text.len() <= MAX_BYTES);
        let _ = Map::parse(text.as_bytes());
    }
    // Together 7 MiB, some 0.2 s without optimization; quadratic would be minutes.
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn control_characters_are_those_of_unicode() {
    for c in ('\0'..'\u{3000}').filter(|c| !matches!(c, '\t' | '\n' | '\r')) {
        let text = format!("{HEAD}env\tA\t{c}\n");
        let refused =
            Map::parse(text.as_bytes()).map_err(|fault| fault.reason) == Err(Reason::ControlCharacter);
        assert_eq!(refused, c.is_control(), "{c:?}");
    }
}
