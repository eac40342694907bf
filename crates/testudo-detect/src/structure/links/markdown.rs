//! Addresses in Markdown: inline links and images, references, autolinks.
//!
//! Brackets are matched by a stack, as CommonMark does it, but more forgiving than any one renderer:
//! an address without its closing bracket counts, and so does one that is broken by a line end.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;

use super::{Form, Link, markdown_address};

/// Open brackets that are remembered; the oldest is forgotten first.
const OPEN_MAX: usize = 256;

/// Longest label of a reference, in bytes.
const LABEL_BYTES_MAX: usize = 999;

/// Addresses in a text read as Markdown.
pub(super) fn find(text: &str, links: &mut Vec<Link>) {
    let mut reader = Reader {
        text,
        open: VecDeque::new(),
        links,
        definitions: Vec::new(),
        images: BTreeSet::new(),
    };
    reader.read();
    let Reader {
        links,
        definitions,
        images,
        ..
    } = reader;
    for (label, mut link) in definitions {
        link.auto_loads = images.contains(&label);
        links.push(link);
    }
}

struct Open {
    at: usize,
    image: bool,
}

struct Reader<'a, 'l> {
    text: &'a str,
    open: VecDeque<Open>,
    links: &'l mut Vec<Link>,
    definitions: Vec<(String, Link)>,
    /// Labels that images use.
    images: BTreeSet<String>,
}

impl Reader<'_, '_> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn read(&mut self) {
        let mut at = 0;
        while let Some(byte) = self.byte(at) {
            let next = match byte {
                b'\\' => Some(at.saturating_add(2)),
                b'[' => {
                    self.push(at);
                    None
                }
                b']' => self.close(at),
                b'<' => self.autolink(at),
                _ => None,
            };
            at = next.unwrap_or(at).max(at.saturating_add(1));
        }
    }

    fn push(&mut self, at: usize) {
        if self.open.len() >= OPEN_MAX {
            let _forgotten = self.open.pop_front();
        }
        let image = at.checked_sub(1).is_some_and(|before| self.byte(before) == Some(b'!'));
        self.open.push_back(Open { at, image });
    }

    /// A `]`: gives where to go on when it ends a link.
    fn close(&mut self, at: usize) -> Option<usize> {
        let open = self.open.pop_back();
        // Some renderers let blanks stand between `]` and `(`.
        let next = skip(self.text, at.saturating_add(1), |c| c == ' ');
        match self.byte(next) {
            Some(b'(') => self.inline(open, at, next),
            Some(b':') if next == at.saturating_add(1) => open.and_then(|open| self.definition(open.at, at)),
            after => {
                if let Some(Open { at: from, image: true }) = open {
                    self.image_use(from, at, after == Some(b'['), next);
                }
                None
            }
        }
    }

    fn inline(&mut self, open: Option<Open>, at: usize, paren: usize) -> Option<usize> {
        let (start, image) = open.map_or((at, false), |open| {
            (open.at.saturating_sub(usize::from(open.image)), open.image)
        });
        let inner = self.destination(paren.saturating_add(1), Ends::Paren)?;
        let form = if image { Form::MarkdownImage } else { Form::MarkdownLink };
        let written = self.text.get(inner.clone())?;
        let next = inner.end;
        self.links
            .push(Link::new(form, start..next, inner, &markdown_address(written)));
        Some(next)
    }

    /// `![alt][label]`, `![label][]` or `![label]`.
    fn image_use(&mut self, from: usize, at: usize, labelled: bool, next: usize) {
        let own = from.saturating_add(1)..at;
        let start = next.saturating_add(1);
        let rest = self.text.get(start..).unwrap_or_default();
        let end = rest
            .bytes()
            .take(LABEL_BYTES_MAX)
            .position(|byte| matches!(byte, b']' | b'['));
        let other = start..start.saturating_add(end.filter(|_| labelled).unwrap_or(0));
        // Renderers disagree whether `![a] [b]` uses `a` or `b`.
        let labels = [own, other].into_iter().filter_map(|range| self.label(range));
        let labels: Vec<String> = labels.collect();
        self.images.extend(labels);
    }

    fn definition(&mut self, open: usize, at: usize) -> Option<usize> {
        let before = self.text.as_bytes().get(..open)?;
        let lead = before.iter().rev().find(|byte| !matches!(byte, b' ' | b'\t' | b'>'));
        let label = self.label(open.saturating_add(1)..at)?;
        if !lead.is_none_or(|byte| matches!(byte, b'\n' | b'\r')) || label.starts_with('^') {
            return None;
        }
        let inner = self.destination(at.saturating_add(2), Ends::Blank)?;
        let written = self.text.get(inner.clone())?;
        let next = inner.end;
        let url = markdown_address(written);
        let link = Link::new(Form::MarkdownReference, open..next, inner, &url);
        self.definitions.push((label, link));
        Some(next)
    }

    /// A label as references compare them: one blank for many, letters folded.
    fn label(&self, range: Range<usize>) -> Option<String> {
        let written = self.text.get(range).filter(|label| label.len() <= LABEL_BYTES_MAX)?;
        let words: Vec<&str> = written.split_whitespace().collect();
        (!words.is_empty() && !written.contains('[')).then(|| words.join(" ").to_lowercase())
    }

    /// The bytes of an address that starts at `from` or behind blanks.
    fn destination(&self, from: usize, ends: Ends) -> Option<Range<usize>> {
        let start = skip(self.text, from, char::is_whitespace);
        let rest = self.text.get(start..)?;
        if let Some(inside) = rest.strip_prefix('<') {
            let end = inside
                .find(['<', '>'])
                .filter(|end| inside.as_bytes().get(*end) == Some(&b'>'));
            if let Some(end) = end {
                let start = start.saturating_add(1);
                return (end > 0).then(|| start..start.saturating_add(end));
            }
        }
        let length = match ends {
            Ends::Blank => rest.find(char::is_whitespace).unwrap_or(rest.len()),
            Ends::Paren => inline_length(rest),
        };
        (length > 0).then(|| start..start.saturating_add(length))
    }

    /// `<scheme:…>`, also where line breaks or blanks are strewn into it.
    fn autolink(&mut self, at: usize) -> Option<usize> {
        let start = at.saturating_add(1);
        let rest = self.text.get(start..)?;
        let scheme = rest
            .bytes()
            .take(32)
            .take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b))
            .count();
        if scheme < 2 || rest.as_bytes().get(scheme) != Some(&b':') {
            return None;
        }
        let length = rest.find(['<', '>'])?;
        if rest.as_bytes().get(length) != Some(&b'>') {
            return Some(start.saturating_add(scheme));
        }
        let inner = start..start.saturating_add(length);
        let url: String = rest.get(..length)?.split_whitespace().collect();
        let end = inner.end.saturating_add(1);
        self.links.push(Link::new(Form::Autolink, at..end, inner, &url));
        Some(end)
    }
}

/// What ends an address that is not in angle brackets.
#[derive(Clone, Copy)]
enum Ends {
    Blank,
    /// A `)` that no `(` of the address opened.
    Paren,
}

/// The length of an address behind `](`. A line end in it is read over when the address goes on behind it.
fn inline_length(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut escaped = false;
    let mut blank: Option<usize> = None;
    let mut last = '\0';
    for (at, c) in rest.char_indices() {
        match c {
            _ if escaped => {}
            // The next link starts: this one has no end.
            '(' if last == ']' => return blank.unwrap_or(at.saturating_sub(1)),
            '(' if blank.is_none() => depth = depth.saturating_add(1),
            ')' if depth == 0 => return end_of(rest, blank, at),
            ')' => depth = depth.saturating_sub(1),
            '"' | '\'' | '(' if blank.is_some() => return blank.unwrap_or(at),
            '<' | '>' => return blank.unwrap_or(at),
            c if c.is_whitespace() && blank.is_none() => blank = Some(at),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        last = c;
    }
    blank.unwrap_or(rest.len())
}

/// With a line end between, both parts are the address; after other blanks only the first is.
fn end_of(rest: &str, blank: Option<usize>, end: usize) -> usize {
    let Some(blank) = blank else { return end };
    let tail = rest.get(blank..end).unwrap_or_default();
    let broken = tail.contains('\n') && tail.split_whitespace().count() == 1;
    if broken { end } else { blank }
}

fn skip(text: &str, from: usize, over: impl Fn(char) -> bool) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from.saturating_add(rest.find(|c| !over(c)).unwrap_or(rest.len()))
}
