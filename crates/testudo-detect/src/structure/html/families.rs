//! What kinds of elements there are, as far as one ends another.

/// The kinds that an element is of, a bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Families(u16);

impl Families {
    pub(super) const NONE: Self = Self(0);
    /// Has nothing inside.
    pub(super) const VOID: Self = Self(1);
    /// Parts the words before it from those in it.
    pub(super) const BLOCK: Self = Self(1 << 1);
    const PARAGRAPH: Self = Self(1 << 2);
    const ITEM: Self = Self(1 << 3);
    const LIST: Self = Self(1 << 4);
    const TERM: Self = Self(1 << 5);
    const TERMS: Self = Self(1 << 6);
    const OPTION: Self = Self(1 << 7);
    const OPTIONS: Self = Self(1 << 8);
    const CELL: Self = Self(1 << 9);
    const ROW: Self = Self(1 << 10);
    const ROWS: Self = Self(1 << 11);
    const TABLE: Self = Self(1 << 12);
    /// Paragraphs in it end no others.
    const APART: Self = Self(1 << 13);

    /// Of a name in lower case.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "area" | "base" | "col" | "embed" | "img" | "input" | "keygen" | "link" | "meta" | "param" | "source"
            | "track" | "wbr" => Self::VOID,
            "br" | "hr" => Self::VOID.and(Self::BLOCK),
            "address" | "article" | "aside" | "blockquote" | "center" | "details" | "dialog" | "div" | "fieldset"
            | "figure" | "footer" | "form" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "header" | "main" | "nav"
            | "pre" | "section" => Self::BLOCK,
            "p" => Self::BLOCK.and(Self::PARAGRAPH),
            "li" => Self::BLOCK.and(Self::ITEM),
            "menu" | "ol" | "ul" => Self::BLOCK.and(Self::LIST),
            "dt" | "dd" => Self::TERM,
            "dl" => Self::BLOCK.and(Self::TERMS),
            "option" => Self::OPTION,
            "select" | "datalist" => Self::OPTIONS,
            "td" => Self::BLOCK.and(Self::CELL),
            "th" => Self::CELL,
            "tr" => Self::BLOCK.and(Self::ROW),
            "thead" | "tbody" | "tfoot" => Self::ROWS,
            "table" => Self::BLOCK.and(Self::TABLE),
            "button" | "template" | "object" => Self::APART,
            _ => Self::NONE,
        }
    }

    pub(super) fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Which elements the opening tag of such an element ends, and those within which it ends none further out.
    pub(super) fn ends(self) -> (Self, Self) {
        const NARROW: Families = Families(
            Families::ITEM.0
                | Families::TERM.0
                | Families::OPTION.0
                | Families::CELL.0
                | Families::ROW.0
                | Families::ROWS.0,
        );
        let row = Self::ROW.and(Self::CELL);
        match Self(self.0 & NARROW.0) {
            Self::ITEM => (Self::ITEM, Self::LIST),
            Self::TERM => (Self::TERM, Self::TERMS),
            Self::OPTION => (Self::OPTION, Self::OPTIONS),
            Self::ROW => (row, Self::TABLE),
            Self::CELL => (Self::CELL, Self::TABLE.and(Self::ROW)),
            Self::ROWS => (Self::ROWS.and(row), Self::TABLE),
            _ if self.any(Self::BLOCK) => (Self::PARAGRAPH, Self::TABLE.and(Self::CELL).and(Self::APART)),
            _ => (Self::NONE, Self::NONE),
        }
    }
}
