//! Where a line of SQL is: in quotes, in a comment, or between statements. Only as much of SQL's grammar as is needed
//! to find a backslash outside of quotes, as psql does (psqlscan.l).

/// The state at the end of a line.
#[derive(Debug, Default)]
pub(super) struct Lexer {
    within: Within,
    /// A statement has begun and not ended.
    is_open: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Sql,
    /// `'…'`, with backslash escapes if it is `E'…'`.
    Text { has_escapes: bool },
    /// `"…"`
    Name,
    /// `$tag$…$tag$`; the delimiter with its dollars.
    Dollars(Vec<u8>),
    /// `/* … */`, which nests.
    Comment(usize),
}

impl Lexer {
    /// True if the next line begins a statement, or a comment between statements.
    pub(super) fn is_between_statements(&self) -> bool {
        self.within == Within::Sql && !self.is_open
    }

    /// Reads one line.
    ///
    /// # Errors
    /// The first word of a backslash command.
    pub(super) fn read(&mut self, line: &[u8]) -> Result<(), String> {
        let mut at = 0;
        while at < line.len() {
            at += match &mut self.within {
                Within::Sql => {
                    let rest = &line[at..];
                    if rest.starts_with(b"--") {
                        return Ok(());
                    }
                    let before = at.checked_sub(1).map(|at| line[at]);
                    self.read_code(rest, before)?
                }
                Within::Text { has_escapes } => match line[at] {
                    b'\\' if *has_escapes => 2,
                    b'\'' if line.get(at + 1) == Some(&b'\'') => 2,
                    b'\'' => self.leave(1),
                    _ => 1,
                },
                Within::Name if line[at] == b'"' => self.leave(1),
                Within::Name => 1,
                Within::Dollars(tag) if line[at..].starts_with(tag) => {
                    let length = tag.len();
                    self.leave(length)
                }
                Within::Dollars(_) => 1,
                Within::Comment(depth) => match &line[at..] {
                    [b'*', b'/', ..] if *depth == 1 => self.leave(2),
                    [b'*', b'/', ..] => {
                        *depth -= 1;
                        2
                    }
                    [b'/', b'*', ..] => {
                        *depth += 1;
                        2
                    }
                    _ => 1,
                },
            };
        }
        Ok(())
    }

    fn leave(&mut self, read: usize) -> usize {
        self.within = Within::Sql;
        read
    }

    /// Reads at the beginning of `rest`, which is outside of quotes; returns the number of bytes read.
    fn read_code(&mut self, rest: &[u8], before: Option<u8>) -> Result<usize, String> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
        match rest {
            [b'\\', command @ ..] => {
                let word = command.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
                return Err(String::from_utf8_lossy(&word[..word.len().min(20)]).into_owned());
            }
            [b';', ..] => self.is_open = false,
            [b'/', b'*', ..] => {
                self.within = Within::Comment(1);
                return Ok(2);
            }
            [b'\'', ..] => {
                self.is_open = true;
                self.within = Within::Text { has_escapes: matches!(before, Some(b'E' | b'e')) };
            }
            [b'"', ..] => {
                self.is_open = true;
                self.within = Within::Name;
            }
            [b'$', after @ ..] if !before.is_some_and(is_word) => {
                self.is_open = true;
                let end = after.iter().position(|byte| *byte == b'$');
                let tag = end.map(|end| &after[..end]).filter(|tag| tag.iter().all(|byte| is_word(*byte)));
                let is_parameter = after.first().is_some_and(u8::is_ascii_digit);
                if let Some(tag) = tag.filter(|_| !is_parameter) {
                    let delimiter = rest[..tag.len() + 2].to_vec();
                    let length = delimiter.len();
                    self.within = Within::Dollars(delimiter);
                    return Ok(length);
                }
            }
            [byte, ..] if !byte.is_ascii_whitespace() => self.is_open = true,
            _ => {}
        }
        Ok(1)
    }
}
