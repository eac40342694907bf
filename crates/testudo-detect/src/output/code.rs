//! Which parts of a Markdown text are code that a renderer only shows.
//!
//! Where renderers could disagree, the text counts as not code: a fence or a
//! backtick that may stand inside raw HTML, behind an escape or in a table cell
//! protects nothing. Everything is decided by whole lines, from what stands
//! before and on the line, so that pieces cannot change it.

use std::ops::Range;

/// Longer lines have no code between backticks.
const LINE_BYTES_MAX: usize = 4096;

/// Follows fences and backticks in a growing text.
#[derive(Debug, Default)]
pub(crate) struct Code {
    line: String,
    line_start: usize,
    /// The line has passed its bound and is being skipped.
    long: bool,
    after_return: bool,
    fence: Option<(char, usize)>,
    /// Raw HTML that ends at the next blank line has begun.
    html: bool,
    /// A tag or backticks may still be open in this paragraph.
    open: bool,
    /// Raw HTML has begun whose end only an HTML parser knows.
    lost: bool,
    ranges: Vec<Range<usize>>,
}

impl Code {
    /// Reads on.
    pub(crate) fn push(&mut self, piece: &str) {
        for c in piece.chars() {
            let newline = c == '\n' || c == '\r';
            if c == '\n' && self.after_return {
                // The second half of one line end.
                let end = self.line_start.saturating_add(1);
                if self.fence.is_some() {
                    self.add(self.line_start..end);
                }
                self.line_start = end;
            } else if newline {
                self.end_line();
                self.line_start = self.line_start.saturating_add(1);
            } else if self.long {
                let end = self.line_start.saturating_add(c.len_utf8());
                if self.fence.is_some() {
                    self.add(self.line_start..end);
                }
                self.line_start = end;
            } else {
                self.line.push(c);
                if self.line.len() > LINE_BYTES_MAX {
                    self.give_up_line();
                }
            }
            self.after_return = c == '\r';
        }
    }

    /// No more text comes.
    pub(crate) fn finish(&mut self) {
        self.end_line();
    }

    /// Whether the byte at `at` is shown as code; `None` while that is open.
    pub(crate) fn holds(&self, at: usize) -> Option<bool> {
        if at >= self.line_start {
            if self.fence.is_some() {
                return Some(true);
            }
            return (self.long || self.lost || self.html).then_some(false);
        }
        let after = self.ranges.partition_point(|range| range.end <= at);
        Some(self.ranges.get(after).is_some_and(|range| range.contains(&at)))
    }

    /// Nothing before `at` is asked for any more.
    pub(crate) fn forget_before(&mut self, at: usize) {
        let gone = self.ranges.partition_point(|range| range.end <= at);
        self.ranges.drain(..gone);
    }

    /// A long line is no fence and holds no code; what follows on it neither.
    fn give_up_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let end = self.line_start.saturating_add(line.len());
        if self.fence.is_some() {
            self.add(self.line_start..end);
        } else {
            self.open = true;
            self.start_html(&line);
        }
        self.long = true;
        self.line_start = end;
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let end = self.line_start.saturating_add(line.len());
        if self.long {
            self.long = false;
            if self.fence.is_some() {
                self.add(end..end.saturating_add(1));
            }
        } else {
            self.read_line(&line, end);
        }
        self.line_start = end;
        self.line = line;
        self.line.clear();
    }

    fn read_line(&mut self, line: &str, end: usize) {
        let text = line.trim_start_matches(' ');
        let indented = line.len().saturating_sub(text.len()) > 3;
        if let Some((mark, count)) = self.fence {
            // With its line end.
            self.add(self.line_start..end.saturating_add(1));
            let run = text.chars().take_while(|c| *c == mark).count();
            let closes = !indented && run >= count && text.trim_start_matches(mark).trim().is_empty();
            if closes {
                self.fence = None;
            }
            return;
        }
        if line.trim().is_empty() {
            (self.html, self.open) = (false, false);
            return;
        }
        if self.lost || self.html {
            return;
        }
        if !indented && let Some(fence) = fence(text) {
            self.fence = Some(fence);
            self.open = false;
            return;
        }
        let inner = text.trim_start_matches(|c: char| c.is_ascii_digit() || " \t>*+-.)".contains(c));
        if inner.starts_with('<') {
            self.start_html(inner);
        }
        if !self.html && !self.lost {
            self.spans(line);
        }
    }

    /// A line that begins with a tag may begin raw HTML.
    fn start_html(&mut self, text: &str) {
        let head: String = text.trim_start().chars().take(10).collect();
        let head = head.to_ascii_lowercase();
        self.html = true;
        let endless = ["<script", "<pre", "<style", "<textarea", "<!", "<?"];
        self.lost |= endless.iter().any(|tag| head.starts_with(tag));
    }

    /// Code between backticks of one line.
    fn spans(&mut self, line: &str) {
        let bytes = line.as_bytes();
        let mut at = 0;
        while !self.open
            && let Some(opener) = run_of_backticks(bytes, at)
        {
            let before = line.get(at..opener.start).unwrap_or_default();
            if before.contains('<') || before.ends_with('\\') {
                self.open = true;
                break;
            }
            let mut closer = run_of_backticks(bytes, opener.end);
            while closer.as_ref().is_some_and(|closer| closer.len() != opener.len()) {
                closer = closer.and_then(|closer| run_of_backticks(bytes, closer.end));
            }
            let Some(closer) = closer else {
                self.open = true;
                break;
            };
            let inner = line.get(opener.end..closer.start).unwrap_or_default();
            if !inner.contains('|') {
                let base = self.line_start;
                self.add(base.saturating_add(opener.end)..base.saturating_add(closer.start));
            }
            at = closer.end;
        }
        self.open |= line.get(at..).is_some_and(|rest| rest.contains('<'));
    }

    fn add(&mut self, range: Range<usize>) {
        match self.ranges.last_mut() {
            // A fence's lines are one range, their line ends included; what stands between others was decided as no code.
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ if range.is_empty() => {}
            _ => self.ranges.push(range),
        }
    }
}

/// The mark and length of a fence that a line opens.
fn fence(line: &str) -> Option<(char, usize)> {
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let run = line.chars().take_while(|c| *c == mark).count();
    let info = line.trim_start_matches(mark);
    (run >= 3 && !(mark == '`' && info.contains('`'))).then_some((mark, run))
}

fn run_of_backticks(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let rest = bytes.get(from..)?;
    let start = from.saturating_add(rest.iter().position(|byte| *byte == b'`')?);
    let run = bytes.get(start..)?.iter().take_while(|byte| **byte == b'`').count();
    Some(start..start.saturating_add(run))
}
