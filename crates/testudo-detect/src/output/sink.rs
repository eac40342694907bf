//! The places to which answers go and that would run what they hold.

/// Where an application puts an answer without a check of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sink {
    /// A web page, as HTML: code in Markdown fences is markup there like everything else.
    Html,
    /// A Markdown renderer that lets HTML through; code in fences and backticks is only shown.
    Markdown,
    /// A database runs the answer as its query.
    Sql,
    /// The answer is one value inside a query.
    SqlValue,
    /// A shell runs the answer as its command.
    Shell,
    /// The answer is one argument inside a command.
    ShellValue,
    /// A cell of a table that a spreadsheet opens.
    Csv,
    /// A terminal.
    Terminal,
}

impl Sink {
    /// Every sink, in the order used for lists.
    pub const ALL: [Self; 8] = [
        Self::Html,
        Self::Markdown,
        Self::Sql,
        Self::SqlValue,
        Self::Shell,
        Self::ShellValue,
        Self::Csv,
        Self::Terminal,
    ];

    /// The name used in rules and configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Markdown => "markdown",
            Self::Sql => "sql",
            Self::SqlValue => "sql_value",
            Self::Shell => "shell",
            Self::ShellValue => "shell_value",
            Self::Csv => "csv",
            Self::Terminal => "terminal",
        }
    }

    /// The sink that a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sink| sink.as_str() == name)
    }
}
