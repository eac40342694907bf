//! A script's text as words and what stands between them.

/// A word, without its quotes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// A variable or a command is put in while it runs, so that nobody knows the text.
    pub(super) is_dynamic: bool,
    /// The shell makes other words of it: `*`, `?`, `[…]`, `{a,b}`, `~`.
    pub(super) is_pattern: bool,
    /// Some of it stood in quotes or behind a backslash.
    pub(super) is_quoted: bool,
    /// Commands whose output is put in.
    pub(super) inner: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Word(Word),
    /// A file follows.
    Redirect,
    /// The command ends.
    Break,
    Open,
    Close,
}

const PIECES_MAX: usize = 2_048;

/// Takes a script apart; `None` when it is not understood.
pub(super) fn pieces(text: &str) -> Option<Vec<Piece>> {
    let mut scan = Scan {
        chars: text.chars().collect(),
        at: 0,
    };
    let mut pieces = Vec::new();
    while let Some(c) = scan.peek() {
        if pieces.len() >= PIECES_MAX || c.is_control() && !matches!(c, '\n' | '\t') {
            return None;
        }
        match c {
            ' ' | '\t' => scan.skip(1),
            '\\' if scan.ahead(1) == Some('\n') => scan.skip(2),
            '#' => scan.comment(),
            '\n' | ';' | '|' | '&' | '(' | ')' | '<' | '>' => pieces.push(scan.operator()?),
            _ => {
                let word = scan.word()?;
                // A number before `<` or `>` is a stream.
                let is_stream = matches!(scan.peek(), Some('<' | '>'))
                    && !word.text.is_empty()
                    && word.text.bytes().all(|byte| byte.is_ascii_digit());
                if !is_stream {
                    pieces.push(Piece::Word(word));
                }
            }
        }
    }
    Some(pieces)
}

struct Scan {
    chars: Vec<char>,
    at: usize,
}

impl Scan {
    fn peek(&self) -> Option<char> {
        self.ahead(0)
    }

    fn ahead(&self, by: usize) -> Option<char> {
        self.chars.get(self.at.saturating_add(by)).copied()
    }

    fn skip(&mut self, by: usize) {
        self.at = self.at.saturating_add(by);
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.skip(1);
        Some(c)
    }

    fn comment(&mut self) {
        while self.peek().is_some_and(|c| c != '\n') {
            self.skip(1);
        }
    }

    fn operator(&mut self) -> Option<Piece> {
        let (first, second) = (self.take()?, self.peek());
        match (first, second) {
            // `((` counts; `;;` belongs to a choice.
            ('(', Some('(')) | (';', Some(';' | '&')) => None,
            ('(', _) => Some(Piece::Open),
            (')', _) => Some(Piece::Close),
            ('&', Some('>')) => {
                self.skip(1);
                if self.peek() == Some('>') {
                    self.skip(1);
                }
                Some(Piece::Redirect)
            }
            ('&', Some('&')) | ('|', Some('|' | '&')) => {
                self.skip(1);
                Some(Piece::Break)
            }
            ('&' | '|' | ';' | '\n', _) => Some(Piece::Break),
            // A document in the script, or a process as a file.
            ('<', Some('<')) if self.ahead(1) != Some('<') => None,
            ('<', Some('<')) => {
                self.skip(2);
                Some(Piece::Redirect)
            }
            ('<' | '>', Some('(')) => {
                self.at = self.at.saturating_sub(1);
                self.word().map(Piece::Word)
            }
            ('<' | '>', Some('&' | '>' | '|')) => {
                self.skip(1);
                Some(Piece::Redirect)
            }
            ('<' | '>', _) => Some(Piece::Redirect),
            _ => None,
        }
    }

    fn word(&mut self) -> Option<Word> {
        let mut word = Word::default();
        while let Some(c) = self.peek() {
            match c {
                '<' | '>' if self.ahead(1) == Some('(') => {
                    self.skip(2);
                    word.inner.push(self.bracketed()?);
                    word.is_dynamic = true;
                }
                ' ' | '\t' | '\n' | ';' | '|' | '&' | '(' | ')' | '<' | '>' => break,
                c if c.is_control() => return None,
                '\'' => {
                    self.skip(1);
                    word.is_quoted = true;
                    self.single_quoted(&mut word)?;
                }
                '"' => {
                    self.skip(1);
                    word.is_quoted = true;
                    self.double_quoted(&mut word)?;
                }
                '\\' => {
                    self.skip(1);
                    // A backslash at the end of a line joins the lines.
                    match self.take()? {
                        '\n' => {}
                        c => {
                            word.is_quoted = true;
                            word.text.push(c);
                        }
                    }
                }
                '$' if matches!(self.ahead(1), Some('\'' | '"')) => return None,
                '$' | '`' => self.substitution(&mut word)?,
                c => {
                    let first = word.text.is_empty() && !word.is_quoted;
                    word.is_pattern |= matches!(c, '*' | '?' | '[' | '{')
                        && !(first && matches!(c, '[' | '{') && self.is_alone())
                        || first && c == '~';
                    word.text.push(c);
                    self.skip(1);
                }
            }
        }
        Some(word)
    }

    /// `[`, `[[` and `{` are words of their own.
    fn is_alone(&self) -> bool {
        let mut by = 1;
        if self.peek() == Some('[') && self.ahead(1) == Some('[') {
            by = 2;
        }
        self.ahead(by).is_none_or(|c| c.is_whitespace() || c == ';')
    }

    fn single_quoted(&mut self, word: &mut Word) -> Option<()> {
        loop {
            match self.take()? {
                '\'' => return Some(()),
                '\0' => return None,
                c => word.text.push(c),
            }
        }
    }

    fn double_quoted(&mut self, word: &mut Word) -> Option<()> {
        loop {
            match self.peek()? {
                '"' => {
                    self.skip(1);
                    return Some(());
                }
                '\\' => {
                    self.skip(1);
                    match self.take()? {
                        '\n' => {}
                        c @ ('"' | '\\' | '$' | '`') => word.text.push(c),
                        c => word.text.extend(['\\', c]),
                    }
                }
                '$' | '`' => self.substitution(word)?,
                '\0' => return None,
                c => {
                    word.text.push(c);
                    self.skip(1);
                }
            }
        }
    }

    /// `$name`, `${name}`, `$(…)`, `` `…` ``; a lone `$` is itself.
    fn substitution(&mut self, word: &mut Word) -> Option<()> {
        if self.take()? == '`' {
            word.is_dynamic = true;
            word.inner.push(self.backquoted()?);
            return Some(());
        }
        match self.peek() {
            Some('(') if self.ahead(1) == Some('(') => None,
            Some('(') => {
                self.skip(1);
                word.is_dynamic = true;
                word.inner.push(self.bracketed()?);
                Some(())
            }
            Some('{') => {
                self.skip(1);
                word.is_dynamic = true;
                loop {
                    match self.take()? {
                        '}' => return Some(()),
                        c if c.is_ascii_alphanumeric() || c == '_' => {}
                        // What else stands there can run commands.
                        _ => return None,
                    }
                }
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                word.is_dynamic = true;
                while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
                    self.skip(1);
                }
                Some(())
            }
            Some(c) if c.is_ascii_digit() || "@*#?-$!".contains(c) => {
                word.is_dynamic = true;
                self.skip(1);
                Some(())
            }
            Some('[') => None,
            _ => {
                word.text.push('$');
                Some(())
            }
        }
    }

    fn backquoted(&mut self) -> Option<String> {
        let mut inner = String::new();
        loop {
            match self.take()? {
                '`' => return Some(inner),
                '\\' => match self.take()? {
                    c @ ('`' | '\\' | '$') => inner.push(c),
                    c => inner.extend(['\\', c]),
                },
                c => inner.push(c),
            }
        }
    }

    /// Up to the bracket that closes, past quotes and other brackets.
    fn bracketed(&mut self) -> Option<String> {
        let mut inner = String::new();
        let mut open: usize = 1;
        let mut quote = None;
        loop {
            let c = self.take()?;
            match (quote, c) {
                (Some('\''), '\'') => quote = None,
                (Some('\''), _) => {}
                (_, '\\') => {
                    inner.push(c);
                    inner.push(self.take()?);
                    continue;
                }
                (Some('"'), '"') => quote = None,
                // Quotes inside what is put into quotes: let a person read that.
                (Some('"'), '$' | '`') => return None,
                (Some(_), _) => {}
                (None, '\'' | '"') => quote = Some(c),
                // It would hide a bracket.
                (None, '#') => return None,
                (None, '(') => open = open.saturating_add(1),
                (None, ')') => {
                    open = open.saturating_sub(1);
                    if open == 0 {
                        return Some(inner);
                    }
                }
                (None, _) => {}
            }
            inner.push(c);
        }
    }
}
