//! Finds every address in a text that a renderer would follow or load, in all the forms that hide one.
//!
//! A text is read as Markdown, HTML, CSS and running text at once, since nobody knows how its reader
//! shows it. Everything is linear in the text: brackets are matched by a stack, tags by one pass.
//!
//! What is found is an address, not a judgement: relative ones, `data:` and `javascript:` are in the
//! list too, told apart by [`Link::target`].

mod bare;
mod css;
mod markdown;
mod markup;
#[cfg(test)]
mod tests;

use std::ops::Range;

use url::Url;

use super::html::entities;

/// How an address is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// `[text](address)`
    MarkdownLink,
    /// `![alt](address)`
    MarkdownImage,
    /// `[label]: address`, which some `[text][label]` may use.
    MarkdownReference,
    /// `<address>`
    Autolink,
    /// An address in running text.
    Bare,
    /// What somebody has to click: `a`, `area`.
    HtmlLink,
    /// Where a form is sent, or what is told of a click: `action`, `formaction`, `ping`.
    HtmlForm,
    /// Pictures, sound, films, objects, and what else loads with the page.
    HtmlMedia,
    /// `iframe`, `frame`, `embed`, `object`
    HtmlFrame,
    HtmlScript,
    /// `<link href>`: style sheets, icons, hints to fetch or to look up a name.
    HtmlResource,
    /// `<base href>`, which moves every relative address.
    HtmlBase,
    /// `<meta http-equiv=refresh>`
    HtmlRefresh,
    /// `url(…)` and `image-set(…)`
    CssUrl,
    /// `@import`
    CssImport,
}

impl Form {
    /// The name used in findings and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MarkdownLink => "markdown_link",
            Self::MarkdownImage => "markdown_image",
            Self::MarkdownReference => "markdown_reference",
            Self::Autolink => "autolink",
            Self::Bare => "bare",
            Self::HtmlLink => "html_link",
            Self::HtmlForm => "html_form",
            Self::HtmlMedia => "html_media",
            Self::HtmlFrame => "html_frame",
            Self::HtmlScript => "html_script",
            Self::HtmlResource => "html_resource",
            Self::HtmlBase => "html_base",
            Self::HtmlRefresh => "html_refresh",
            Self::CssUrl => "css_url",
            Self::CssImport => "css_import",
        }
    }
}

/// What an address leads to, told by its beginning as browsers read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A scheme with a host: `http`, `https`, `ws`, `wss`, `ftp`.
    Host,
    /// `//host/…`: the scheme of the page.
    ProtocolRelative,
    /// No scheme and no host.
    Relative,
    /// `data:` and `blob:`
    Data,
    /// `javascript:` and `vbscript:`
    Script,
    /// Any other scheme: `mailto:`, `file:`, those of apps.
    Other,
}

/// One address and where it stands. `Debug` shows it; it is text of the exchange and has no place in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub form: Form,
    /// The bytes of the whole construct: the tag, or from `[` or `!` to the address's end.
    pub range: Range<usize>,
    /// The bytes of the address as written: what is replaced to take it out. Lies in `range`.
    /// The whole attribute or style where the address itself is written in escapes.
    pub url_range: Range<usize>,
    /// The address as a browser reads it: references, escapes, line breaks and tabs are gone.
    /// Percent-encoding stays, except that [`Link::parsed`] decodes it in host names.
    pub url: String,
    /// Whether showing the text already fetches it (images, frames, styles, refresh), without a click.
    pub auto_loads: bool,
}

impl Link {
    /// What the address leads to.
    #[must_use]
    pub fn target(&self) -> Target {
        target(&self.url)
    }

    /// The address as the URL standard reads it: host in lower case and Punycode, percent-encoding in
    /// the host decoded, numbers that are IPv4 written out. A protocol-relative one counts as `https`.
    /// `None` where it is relative or no URL.
    #[must_use]
    pub fn parsed(&self) -> Option<Url> {
        match self.target() {
            Target::Relative => None,
            Target::ProtocolRelative => Url::parse(&format!("https:{}", self.url)).ok(),
            Target::Host | Target::Data | Target::Script | Target::Other => Url::parse(&self.url).ok(),
        }
    }

    fn new(form: Form, range: Range<usize>, url_range: Range<usize>, url: &str) -> Self {
        let auto_loads = match form {
            Form::MarkdownImage
            | Form::HtmlMedia
            | Form::HtmlFrame
            | Form::HtmlScript
            | Form::HtmlResource
            | Form::HtmlBase
            | Form::HtmlRefresh
            | Form::CssUrl
            | Form::CssImport => true,
            Form::MarkdownLink
            | Form::MarkdownReference
            | Form::Autolink
            | Form::Bare
            | Form::HtmlLink
            | Form::HtmlForm => false,
        };
        Self {
            form,
            range,
            url_range,
            url: as_browsers_read(url),
            auto_loads,
        }
    }
}

/// Every address in `text`, in order of where it stands. Linear in time and memory.
///
/// A place is listed once: what is part of a Markdown or HTML construct is not repeated as a bare address.
#[must_use]
pub fn find(text: &str) -> Vec<Link> {
    let mut links = Vec::new();
    markup::find(text, &mut links);
    markdown::find(text, &mut links);
    css::find_outside(text, &mut links);
    links.sort_by(|a, b| order(a).cmp(&order(b)));
    links.dedup_by(|later, first| {
        let repeats = later.url_range == first.url_range && later.url == first.url;
        first.auto_loads |= repeats && later.auto_loads;
        repeats
    });
    let bare = bare::find(text, &links);
    links.extend(bare);
    links.sort_by(|a, b| order(a).cmp(&order(b)));
    links
}

fn order(link: &Link) -> (usize, usize, &str, Form) {
    (link.url_range.start, link.url_range.end, &link.url, link.form)
}

/// As the URL standard prepares an address: no control characters or spaces around it, no line breaks or tabs in it.
fn as_browsers_read(url: &str) -> String {
    url.trim_matches(|c: char| c <= ' ')
        .chars()
        .filter(|c| !matches!(c, '\t' | '\r' | '\n'))
        .collect()
}

fn target(url: &str) -> Target {
    let mut head = url.chars();
    if let (Some('/' | '\\'), Some('/' | '\\')) = (head.next(), head.next()) {
        return Target::ProtocolRelative;
    }
    let Some((scheme, _)) = url.split_once(':') else {
        return Target::Relative;
    };
    let sound = scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && scheme.len() <= 64
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if !sound {
        return Target::Relative;
    }
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" | "ws" | "wss" | "ftp" => Target::Host,
        "data" | "blob" => Target::Data,
        "javascript" | "vbscript" => Target::Script,
        _ => Target::Other,
    }
}

/// Decodes what a Markdown destination may be written in: backslash escapes, then references.
fn markdown_address(written: &str) -> String {
    let mut plain = String::with_capacity(written.len());
    let mut chars = written.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(next) if c == '\\' && next.is_ascii_punctuation() => {
                // An escaped `&` starts no reference.
                if *next == '&' {
                    plain.push_str("&amp;");
                } else {
                    plain.push(*next);
                }
                let _escaped = chars.next();
            }
            _ => plain.push(c),
        }
    }
    entities::decode(&plain).into_owned()
}
