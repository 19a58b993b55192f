//! A screen: what a program that draws on a terminal has put where, and in which colour. Owns as
//! much of the control sequences (ECMA-48, xterm) as OpenCode's interface draws with: the cursor,
//! erasing, colours. Everything else is passed over. Foreign bytes: nothing here grows with them.

/// The longest control sequence that is followed, in bytes; of a longer one the rest is passed
/// over too, up to its end.
const LONGEST: usize = 256;

/// The colour of a character; `None` is the terminal's own.
pub type Colour = Option<[u8; 3]>;

/// One place for a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    character: char,
    colour: Colour,
}

const BLANK: Cell = Cell { character: ' ', colour: None };

/// What is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Text,
    /// After ESC.
    Escape,
    /// After ESC and a character that takes one more.
    EscapeMore,
    /// After `ESC [`.
    Control,
    /// After `ESC ]`, `ESC P` and the like: a text up to BEL or `ESC \`.
    Word,
    /// ESC inside such a text.
    WordEscape,
}

/// A screen of fixed size.
#[derive(Debug)]
pub struct Screen {
    columns: usize,
    cells: Vec<Cell>,
    row: usize,
    column: usize,
    saved: (usize, usize),
    colour: Colour,
    reading: Reading,
    /// The parameters of the control sequence that is being read.
    parameters: Vec<u8>,
    /// The bytes of a character that is not complete.
    partial: Vec<u8>,
}

impl Screen {
    /// A blank one.
    pub fn new(columns: u16, rows: u16) -> Self {
        let columns = usize::from(columns.max(1));
        Self {
            columns,
            cells: vec![BLANK; columns * usize::from(rows.max(1))],
            row: 0,
            column: 0,
            saved: (0, 0),
            colour: None,
            reading: Reading::Text,
            parameters: Vec::new(),
            partial: Vec::new(),
        }
    }

    /// Draws what a program wrote.
    pub fn draw(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.byte(*byte);
        }
    }

    /// What stands on it, a line for each row, without blanks at the ends.
    pub fn text(&self) -> String {
        let line = |row: &[Cell]| row.iter().map(|cell| cell.character).collect::<String>();
        let lines = self.cells.chunks(self.columns).map(|row| line(row).trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The different colours of the characters of `text`, where that stands in one row.
    pub fn colours_of(&self, text: &str) -> Option<Vec<Colour>> {
        let wanted: Vec<char> = text.chars().collect();
        let place = self.cells.chunks(self.columns).find_map(|row| {
            row.windows(wanted.len().max(1))
                .find(|cells| cells.iter().zip(&wanted).all(|(cell, wanted)| cell.character == *wanted))
        })?;
        let mut colours: Vec<Colour> =
            place.iter().filter(|cell| cell.character != ' ').map(|cell| cell.colour).collect();
        colours.sort_unstable();
        colours.dedup();
        Some(colours)
    }

    fn rows(&self) -> usize {
        self.cells.len() / self.columns
    }

    fn byte(&mut self, byte: u8) {
        const ESCAPE: u8 = 0x1b;
        const BELL: u8 = 0x07;
        self.reading = match (self.reading, byte) {
            (Reading::Word, BELL) | (Reading::WordEscape, b'\\') => Reading::Text,
            (Reading::Word | Reading::WordEscape, ESCAPE) => Reading::WordEscape,
            (Reading::Word | Reading::WordEscape, _) => Reading::Word,
            (_, ESCAPE) => {
                self.partial.clear();
                Reading::Escape
            }
            (Reading::Escape, b'[') => {
                self.parameters.clear();
                Reading::Control
            }
            (Reading::Escape, b']' | b'P' | b'X' | b'^' | b'_') => Reading::Word,
            (Reading::Escape, b' '..=b'/') => Reading::EscapeMore,
            (Reading::Escape, b'7') => {
                self.saved = (self.row, self.column);
                Reading::Text
            }
            (Reading::Escape, b'8') => {
                (self.row, self.column) = self.saved;
                Reading::Text
            }
            (Reading::Escape | Reading::EscapeMore, _) => Reading::Text,
            (Reading::Control, b'@'..=b'~') => {
                self.control(byte);
                Reading::Text
            }
            (Reading::Control, _) => {
                if self.parameters.len() < LONGEST {
                    self.parameters.push(byte);
                }
                Reading::Control
            }
            (Reading::Text, _) => {
                self.plain(byte);
                Reading::Text
            }
        };
    }

    fn plain(&mut self, byte: u8) {
        match byte {
            b'\r' => self.column = 0,
            b'\n' => self.row = (self.row + 1).min(self.rows() - 1),
            0x08 => self.column = self.column.saturating_sub(1),
            0..=0x1f | 0x7f => {}
            _ => {
                self.partial.push(byte);
                match std::str::from_utf8(&self.partial).map(|text| text.chars().next()) {
                    Ok(Some(character)) => {
                        self.partial.clear();
                        self.put(character);
                    }
                    // No character has more than four bytes.
                    _ if self.partial.len() >= 4 => self.partial.clear(),
                    _ => {}
                }
            }
        }
    }

    fn put(&mut self, character: char) {
        if self.column >= self.columns {
            self.column = 0;
            self.row = (self.row + 1).min(self.rows() - 1);
        }
        let place = self.row * self.columns + self.column;
        if let Some(cell) = self.cells.get_mut(place) {
            *cell = Cell { character, colour: self.colour };
        }
        self.column += 1;
    }

    fn control(&mut self, end: u8) {
        // `ESC [ ?` and the like set modes of the terminal, or ask it something.
        if self.parameters.first().is_some_and(|byte| (b'<'..=b'?').contains(byte)) {
            return;
        }
        let text = String::from_utf8_lossy(&self.parameters).into_owned();
        let numbers: Vec<usize> = text.split([';', ':']).map(|number| number.parse().unwrap_or(0)).collect();
        let first = numbers.first().copied().unwrap_or(0);
        let count = first.max(1);
        match end {
            b'H' | b'f' => {
                self.row = count - 1;
                self.column = numbers.get(1).copied().unwrap_or(1).max(1) - 1;
            }
            b'A' => self.row = self.row.saturating_sub(count),
            b'B' => self.row = self.row.saturating_add(count),
            b'C' => self.column = self.column.saturating_add(count),
            b'D' => self.column = self.column.saturating_sub(count),
            b'G' => self.column = count - 1,
            b'd' => self.row = count - 1,
            b'J' | b'K' => self.erase(end == b'J', first),
            b's' => self.saved = (self.row, self.column),
            b'u' => (self.row, self.column) = self.saved,
            b'm' => self.colours(&numbers),
            _ => {}
        }
        self.row = self.row.min(self.rows() - 1);
        self.column = self.column.min(self.columns);
    }

    fn erase(&mut self, all_rows: bool, part: usize) {
        let cursor = self.row * self.columns + self.column.min(self.columns - 1);
        let (start, end) = match all_rows {
            true => (0, self.cells.len()),
            false => (self.row * self.columns, (self.row + 1) * self.columns),
        };
        let range = match part {
            0 => cursor..end,
            1 => start..cursor + 1,
            _ => start..end,
        };
        if let Some(cells) = self.cells.get_mut(range) {
            cells.fill(BLANK);
        }
    }

    fn colours(&mut self, numbers: &[usize]) {
        let mut rest = numbers;
        while let Some((number, more)) = rest.split_first() {
            rest = more;
            let byte = |at: usize| more.get(at).and_then(|value| u8::try_from(*value).ok()).unwrap_or(0);
            match (*number, more.first()) {
                (0 | 39, _) => self.colour = None,
                // What tells the numbered colours apart is their number; they are nobody's true red.
                (30..=37 | 90..=97, _) => self.colour = Some([*number as u8, 0, 1]),
                (38 | 48, Some(2)) => {
                    if *number == 38 {
                        self.colour = Some([byte(1), byte(2), byte(3)]);
                    }
                    rest = more.get(4..).unwrap_or_default();
                }
                (38 | 48, Some(5)) => {
                    if *number == 38 {
                        self.colour = Some([byte(1), 0, 2]);
                    }
                    rest = more.get(2..).unwrap_or_default();
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(bytes: &str) -> Screen {
        let mut screen = Screen::new(20, 4);
        screen.draw(bytes.as_bytes());
        screen
    }

    #[test]
    fn characters_stand_where_the_cursor_was_put() {
        let screen = drawn("\x1b[?1049h\x1b[2J\x1b[2;3Hhéllo\x1b[1;1Htop\r\n\x1b]11;?\x07\x1bP+q4d\x1b\\x");
        assert_eq!(screen.text(), "top\nx hello\n\n".replace("hello", "héllo"));
        assert_eq!(drawn("abcdef\x1b[1;3H\x1b[K").text(), "ab\n\n\n");
        assert_eq!(drawn("abc\x1b[2D\x1b[sX\x1b[4;1Hend\x1b[uY").text(), "aYc\n\n\nend");
    }

    #[test]
    fn a_text_has_the_colours_that_it_was_drawn_in() {
        let screen = drawn("\x1b[38;2;1;2;3mfn\x1b[0m \x1b[1;48;2;9;9;9;38;5;7mname\x1b[39m()");
        let colours = |text: &str| screen.colours_of(text);
        assert_eq!(colours("fn"), Some(vec![Some([1, 2, 3])]));
        assert_eq!(colours("name"), Some(vec![Some([7, 0, 2])]));
        assert_eq!(colours("fn name()").map(|colours| colours.len()), Some(3));
        assert_eq!(colours("()"), Some(vec![None]));
        assert_eq!(colours("absent"), None);
    }

    #[test]
    fn foreign_bytes_do_no_harm() {
        let mut screen = Screen::new(3, 2);
        let mut seed = 1u64;
        for _ in 0..50_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let byte = (seed >> 33) as u8;
            // Control sequences are what is hard.
            screen.draw(if byte.is_multiple_of(5) { b"\x1b[" } else { std::slice::from_ref(&byte) });
        }
        screen.draw(b"\x1b[999999999999999999999;99999H\x1b[4294967295B\x1b[18446744073709551615CX\x1b[J");
        assert_eq!(screen.cells.len(), 6);
        assert!(screen.parameters.len() <= LONGEST && screen.partial.len() < 4);
    }
}
