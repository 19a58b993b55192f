//! "Did you mean …?": the known word nearest to one that was typed. Owns the distance, never the message.

/// The candidate with the fewest edits (insert, delete, replace, swap of neighbours) to `typed`, when it is near
/// enough to be a slip: at most a third of the letters, and never more than three.
pub fn nearest<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    let bound = (typed.chars().count().div_ceil(3)).min(3);
    known
        .iter()
        .map(|candidate| (distance(typed, candidate), *candidate))
        .filter(|(edits, _)| *edits <= bound)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance, in edits. Compared without regard to case and to `-` against `_`.
fn distance(a: &str, b: &str) -> usize {
    let fold = |text: &str| -> Vec<char> { text.chars().map(fold_character).collect() };
    let (a, b) = (fold(a), fold(b));
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            let mut edits = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                edits = edits.min(before_last[j - 1] + 1);
            }
            row.push(edits);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

fn fold_character(c: char) -> char {
    if c == '-' { '_' } else { c.to_ascii_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_nothing_else() {
        let known = ["opencode", "systems", "providers", "plugins", "config_dirs"];
        assert_eq!(nearest("provider", &known), Some("providers"));
        assert_eq!(nearest("pluigns", &known), Some("plugins"));
        assert_eq!(nearest("config-dirs", &known), Some("config_dirs"));
        assert_eq!(nearest("Systems", &known), Some("systems"));
        assert_eq!(nearest("weather", &known), None);
        assert_eq!(nearest("", &known), None);
    }
}
