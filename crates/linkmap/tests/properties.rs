//! Property: `parse(render(map)) == map` for any map that renders, and no text makes the reader panic.

use opencode_cache_linkmap::{LinkMap, Map, Root, Sum, names_output};
use proptest::prelude::*;

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec("[a-c@.-]{1,3}", 1..4).prop_map(|parts| parts.join("/"))
}

fn root() -> impl Strategy<Value = Root> {
    prop::sample::select(Root::ALL.to_vec())
}

fn map() -> impl Strategy<Value = LinkMap> {
    let entries = prop::collection::vec((0..4, root(), path(), path()), 0..12);
    let env = prop::collection::vec(("[A-C]{1,2}", "[ -~]{0,5}", any::<bool>()), 0..4);
    (path(), any::<(bool, bool)>(), entries, env).prop_map(|(exec, more, entries, env)| {
        let (restore, fallback) = more;
        let mut map = LinkMap::new(&exec, "opencode");
        if restore {
            map.restore("r");
        }
        if fallback {
            map.fallback("f/g");
        }
        for (name, value, is_path) in env {
            match is_path {
                true => map.env_path(&name, "a/b"),
                false => map.env(&name, &value),
            };
        }
        for (kind, root, dest, source) in entries {
            match kind {
                0 => map.link(root, &dest, &source),
                1 => map.copy(root, &dest, &source, source.as_bytes()),
                2 => map.force(root, &dest, &source),
                _ => map.keep(root, &dest),
            };
        }
        map
    })
}

proptest! {
    #[test]
    fn what_renders_reads_back_the_same(map in map()) {
        if let Ok(text) = map.render() {
            prop_assert_eq!(LinkMap::parse(text.as_bytes()).unwrap(), map);
        }
    }

    #[test]
    fn what_reads_renders_the_same(
        lines in prop::collection::vec("(link|copy|force|keep|env|exec)\t(cache|data|A)(\t[a-b/.]{1,3}){1,3}", 0..8),
    ) {
        let text = format!("opencode-cache linkmap 1\nexec\tx\nroot\topencode\n{}\n", lines.join("\n"));
        if let Ok(map) = LinkMap::parse(text.as_bytes()) {
            prop_assert_eq!(map.render().unwrap(), text);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Map::parse(&bytes);
        let mut headed = b"opencode-cache linkmap 1\n".to_vec();
        headed.extend(&bytes);
        let _ = Map::parse(&headed);
    }
}

#[test]
fn sums_are_those_of_the_published_function() {
    // Test vectors of FNV-1a, 64 bits.
    assert_eq!(Sum::of(b"").to_string(), "cbf29ce484222325");
    assert_eq!(Sum::of(b"a").to_string(), "af63dc4c8601ec8c");
    assert_eq!(Sum::of(b"foobar").to_string(), "85944171f73967e8");
    assert_eq!(Sum::from_hex("85944171f73967e8"), Some(Sum::of(b"foobar")));
    assert_eq!(Sum::from_hex("+5944171f73967e8"), None);
}

#[test]
fn an_output_is_told_by_a_whole_component() {
    let digest = "0123456789abcdfghijklmnpqrsvwxyz";
    assert!(names_output(format!("/nix/store/{digest}-opencode-cache/cache").as_bytes()));
    assert!(names_output(format!("/s/{digest}-opencode-cache").as_bytes()));
    assert!(!names_output(format!("/s/x{digest}-opencode-cache/a").as_bytes()));
    assert!(!names_output(format!("/s/{digest}-opencode-cache-2/a").as_bytes()));
    assert!(!names_output(b"/s/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee-opencode-cache"));
    assert!(!names_output(b"/home/me/opencode-cache"));
}
