//! Splits bytes into lines with bounded memory, and folds progress output that is redrawn with CR.

/// Longer lines are emitted in pieces of this size: nothing is lost, and memory stays bounded.
pub const LINE_MAX_BYTES: usize = 1024 * 1024;

/// Splits the bytes of one stream.
#[derive(Debug, Default)]
pub struct LineSplitter {
    line: Vec<u8>,
    /// True if the last byte was a CR: part of CR LF, or the start of a redraw.
    after_cr: bool,
}

impl LineSplitter {
    /// Emits each line that these bytes complete, and the last state of progress that they redraw
    /// (with `true`).
    pub fn push(&mut self, bytes: &[u8], emit: &mut impl FnMut(&[u8], bool)) {
        let mut redrawn: Option<Vec<u8>> = None;
        for part in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let (text, end) = match part.split_last() {
                Some((end @ (b'\n' | b'\r'), text)) => (text, Some(*end)),
                _ => (part, None),
            };
            if self.after_cr && !text.is_empty() {
                // The text after the CR overwrites the text before it.
                redrawn = Some(std::mem::take(&mut self.line));
                self.after_cr = false;
            }
            self.extend(text, emit);
            match end {
                Some(b'\n') => {
                    emit(&self.line, false);
                    redrawn = None;
                    self.clear();
                }
                Some(_) => self.after_cr = true,
                None => {}
            }
        }
        if let Some(state) = redrawn.filter(|state| !state.is_empty()) {
            emit(&state, true);
        }
    }

    /// Emits the rest as a line once the stream has ended.
    pub fn finish(&mut self, emit: &mut impl FnMut(&[u8], bool)) {
        if !self.line.is_empty() {
            emit(&self.line, false);
        }
        self.clear();
    }

    fn extend(&mut self, mut text: &[u8], emit: &mut impl FnMut(&[u8], bool)) {
        while self.line.len() + text.len() > LINE_MAX_BYTES {
            let (head, tail) = text.split_at(LINE_MAX_BYTES - self.line.len());
            self.line.extend_from_slice(head);
            emit(&self.line, false);
            self.line.clear();
            text = tail;
        }
        self.line.extend_from_slice(text);
    }

    fn clear(&mut self) {
        self.line.clear();
        // Release the memory of an unusually long line.
        self.line.shrink_to(4096);
        self.after_cr = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<(String, bool)> {
        let mut splitter = LineSplitter::default();
        let mut seen = Vec::new();
        let mut emit =
            |text: &[u8], redrawn| seen.push((String::from_utf8_lossy(text).into_owned(), redrawn));
        for chunk in chunks {
            splitter.push(chunk, &mut emit);
        }
        splitter.finish(&mut emit);
        seen
    }

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        split(chunks).into_iter().filter(|(_, redrawn)| !redrawn).map(|(text, _)| text).collect()
    }

    #[test]
    fn partial_lines_are_joined_and_the_last_needs_no_line_end() {
        assert_eq!(lines(&[b"one\ntw", b"o\n", b"\nlast"]), ["one", "two", "", "last"]);
        assert_eq!(lines(&[b"dos\r\nline", b"\r", b"\n"]), ["dos", "line"]);
    }

    #[test]
    fn redrawn_progress_is_folded_to_its_last_state() {
        let seen = split(&[b"\rdocs: 1%\rdocs: 2%", b"\rdocs: 3%", b"\rdocs: 100%\ndone\n"]);
        let expected = [("docs: 1%", true), ("docs: 2%", true), ("docs: 100%", false), ("done", false)];
        assert_eq!(seen, expected.map(|(text, redrawn)| (text.to_string(), redrawn)));
        // A CR at the end of a chunk, completed by LF in the next one: the line is kept.
        assert_eq!(lines(&[b"a\rb\r", b"\n"]), ["b"]);
    }

    #[test]
    fn a_line_above_the_limit_is_emitted_in_pieces() {
        let long = vec![b'x'; LINE_MAX_BYTES + 10];
        let seen = lines(&[&long, b"\nnext\n"]);
        assert_eq!(seen.iter().map(String::len).collect::<Vec<_>>(), [LINE_MAX_BYTES, 10, 4]);
    }

    #[test]
    fn endless_progress_uses_bounded_memory() {
        let mut splitter = LineSplitter::default();
        for _ in 0..100_000 {
            splitter.push(b"[=====      ] 37 %\r", &mut |_, _| {});
        }
        assert!(splitter.line.capacity() < 1024);
    }

    proptest::proptest! {
        #[test]
        fn lines_do_not_depend_on_chunk_boundaries(text in "[a-c\n\r]{0,40}", cut in 0usize..40) {
            let bytes = text.as_bytes();
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            proptest::prop_assert_eq!(lines(&[head, tail]), lines(&[bytes]));
        }
    }
}
