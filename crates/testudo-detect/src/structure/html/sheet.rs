//! Style declarations that decide whether text can be seen, and the simple selectors of style sheets that hide.

use std::collections::BTreeSet;

/// Selectors that are remembered.
const SELECTORS_MAX: usize = 1024;

/// What a style says about being seen; later declarations win.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Style {
    /// `display: none` and its like; holds for everything inside.
    pub(super) gone: bool,
    pub(super) visible: Option<bool>,
    pub(super) faint: bool,
    /// Letters too small to read.
    pub(super) tiny: Option<bool>,
    pub(super) off_screen: bool,
    pub(super) no_room: bool,
    pub(super) colour: Option<Colour>,
    pub(super) background: Option<Colour>,
}

/// A colour as far as it is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Rgb(u8, u8, u8),
    Transparent,
    /// A picture, a gradient, a variable.
    Unknown,
}

impl Colour {
    /// Whether text of this colour cannot be told from that background.
    pub(super) fn fades_into(self, background: Self) -> bool {
        match (self, background) {
            (Self::Transparent, _) => true,
            (Self::Rgb(r, g, b), Self::Rgb(s, h, c)) => [(r, s), (g, h), (b, c)]
                .into_iter()
                .all(|(one, other)| one.abs_diff(other) <= 8),
            _ => false,
        }
    }

    pub(super) fn is_white(self) -> bool {
        self.fades_into(Self::Rgb(255, 255, 255)) && self != Self::Transparent
    }
}

/// Reads declarations as a style attribute holds them.
pub(super) fn style(css: &str) -> Style {
    let css = css.to_ascii_lowercase();
    let mut style = Style::default();
    let mut place = Place::default();
    for declaration in css.split(';') {
        let Some((name, value)) = declaration.split_once(':') else {
            continue;
        };
        let value = value.trim().trim_end_matches("!important").trim_end();
        one(name.trim(), value, &mut style, &mut place);
    }
    style.off_screen |= place.far && (place.positioned || place.indented);
    style.no_room |= place.small && place.clipped;
    if place.gradient_text && style.colour == Some(Colour::Transparent) {
        style.colour = Some(Colour::Unknown);
    }
    style
}

/// What only together hides.
#[derive(Debug, Default)]
struct Place {
    positioned: bool,
    indented: bool,
    far: bool,
    small: bool,
    clipped: bool,
    gradient_text: bool,
}

fn one(name: &str, value: &str, style: &mut Style, place: &mut Place) {
    match name {
        "display" => style.gone = value == "none",
        "mso-hide" => style.gone |= value == "all",
        "content-visibility" => style.gone |= value == "hidden",
        "visibility" => style.visible = Some(!matches!(value, "hidden" | "collapse")),
        "opacity" => style.faint = number(value).is_some_and(|(n, unit)| n <= if unit == "%" { 5.0 } else { 0.05 }),
        "font-size" => style.tiny = Some(is_tiny(value)),
        "font" => {
            if let Some(size) = value
                .split([' ', '/'])
                .find(|part| number(part).is_some_and(|(_, unit)| !unit.is_empty()))
            {
                style.tiny = Some(is_tiny(size));
            }
        }
        "position" => place.positioned = matches!(value, "absolute" | "fixed" | "relative"),
        "left" | "top" | "right" | "bottom" | "inset" => place.far |= is_far(value),
        "margin" | "margin-left" | "margin-top" | "text-indent" if is_far(value) => {
            (place.far, place.indented) = (true, true);
        }
        "transform" => {
            let moved = value.contains("translate") && value.split(['(', ',', ' ']).any(is_far);
            style.no_room |= value.contains("scale(0") && !value.contains("scale(0.");
            (place.far, place.indented) = (place.far | moved, place.indented | moved);
        }
        "clip" => style.no_room |= value.starts_with("rect(0") || value.starts_with("rect(1px"),
        "clip-path" => {
            style.no_room |= ["inset(100%", "inset(50%", "circle(0", "polygon(0 0)"]
                .iter()
                .any(|shape| value.starts_with(shape));
        }
        "width" | "height" | "max-width" | "max-height" => {
            place.small |= number(value).is_some_and(|(n, unit)| n <= 1.0 && matches!(unit, "" | "px" | "pt"));
        }
        "overflow" | "overflow-x" | "overflow-y" => place.clipped |= value.contains("hidden") || value == "clip",
        "color" | "-webkit-text-fill-color" => style.colour = Some(colour(value)),
        "background-color" => style.background = Some(colour(value)),
        "background" => style.background = Some(background(value)),
        "background-image" if value != "none" => style.background = Some(Colour::Unknown),
        "background-clip" | "-webkit-background-clip" => place.gradient_text = value.contains("text"),
        _ => {}
    }
}

/// A number and its unit.
fn number(value: &str) -> Option<(f64, &str)> {
    let value = value.trim();
    let end = value
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+')))
        .unwrap_or(value.len());
    let (digits, unit) = value.split_at_checked(end)?;
    Some((digits.parse().ok()?, unit.trim().trim_end_matches(')')))
}

fn is_tiny(value: &str) -> bool {
    number(value).is_some_and(|(size, unit)| match unit {
        "em" | "rem" | "ex" | "ch" | "vw" | "vh" => size <= 0.1,
        "%" => size <= 10.0,
        _ => size <= 1.5,
    })
}

fn is_far(value: &str) -> bool {
    value.split_whitespace().filter_map(number).any(|(n, unit)| match unit {
        "em" | "rem" | "vw" | "vh" => n.abs() >= 60.0,
        "%" => n.abs() >= 200.0,
        _ => n <= -400.0 || n >= 4000.0,
    })
}

/// Reads a colour; what is not understood is unknown.
pub(super) fn colour(value: &str) -> Colour {
    let value = value.trim().to_ascii_lowercase();
    if let Some(hex) = value.strip_prefix('#') {
        return hex_colour(hex);
    }
    if let Some(inner) = value.strip_prefix("rgb(").or_else(|| value.strip_prefix("rgba(")) {
        return rgb(inner);
    }
    match value.as_str() {
        "transparent" => Colour::Transparent,
        "white" => Colour::Rgb(255, 255, 255),
        "snow" | "ghostwhite" | "ivory" | "floralwhite" | "mintcream" | "azure" => Colour::Rgb(250, 250, 250),
        "whitesmoke" => Colour::Rgb(245, 245, 245),
        "black" => Colour::Rgb(0, 0, 0),
        "red" => Colour::Rgb(255, 0, 0),
        "green" => Colour::Rgb(0, 128, 0),
        "blue" => Colour::Rgb(0, 0, 255),
        "yellow" => Colour::Rgb(255, 255, 0),
        "gray" | "grey" => Colour::Rgb(128, 128, 128),
        "silver" => Colour::Rgb(192, 192, 192),
        "lightgray" | "lightgrey" => Colour::Rgb(211, 211, 211),
        "navy" => Colour::Rgb(0, 0, 128),
        _ => Colour::Unknown,
    }
}

/// The colour among the parts of `background`.
fn background(value: &str) -> Colour {
    if value.contains("url(") || value.contains("gradient") || value.contains("var(") {
        return Colour::Unknown;
    }
    if value.starts_with("rgb") {
        return colour(value);
    }
    let parts = value.split_whitespace().map(colour);
    parts
        .into_iter()
        .find(|part| *part != Colour::Unknown)
        .unwrap_or(Colour::Unknown)
}

fn hex_colour(hex: &str) -> Colour {
    let digit = |at: usize| {
        hex.chars()
            .nth(at)
            .and_then(|c| c.to_digit(16))
            .and_then(|d| u8::try_from(d).ok())
    };
    let pair = |at: usize| {
        Some(
            digit(at)?
                .saturating_mul(16)
                .saturating_add(digit(at.saturating_add(1))?),
        )
    };
    let twice = |at: usize| digit(at).map(|d| d.saturating_mul(17));
    let (channels, alpha) = match hex.len() {
        3 => ([twice(0), twice(1), twice(2)], None),
        4 => ([twice(0), twice(1), twice(2)], twice(3)),
        6 => ([pair(0), pair(2), pair(4)], None),
        8 => ([pair(0), pair(2), pair(4)], pair(6)),
        _ => ([None; 3], None),
    };
    match (channels, alpha) {
        (_, Some(0..=12)) => Colour::Transparent,
        ([Some(r), Some(g), Some(b)], _) => Colour::Rgb(r, g, b),
        _ => Colour::Unknown,
    }
}

fn rgb(inner: &str) -> Colour {
    let parts: Vec<(f64, &str)> = inner
        .split([',', ' ', '/', ')'])
        .filter(|part| !part.trim().is_empty())
        .filter_map(number)
        .collect();
    let channel = |(n, unit): (f64, &str)| {
        let n = if unit == "%" { n * 2.55 } else { n };
        // From 0 to 255 by the clamp; the nearest of the 256 values.
        (0..=u8::MAX).min_by(|a, b| (f64::from(*a) - n).abs().total_cmp(&(f64::from(*b) - n).abs()))
    };
    match parts.as_slice() {
        [_, _, _, (alpha, unit)] if *alpha <= if *unit == "%" { 5.0 } else { 0.05 } => Colour::Transparent,
        [r, g, b, ..] => match (channel(*r), channel(*g), channel(*b)) {
            (Some(r), Some(g), Some(b)) => Colour::Rgb(r, g, b),
            _ => Colour::Unknown,
        },
        _ => Colour::Unknown,
    }
}

/// The classes, ids and elements that style sheets hide always, on whatever screen.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    hidden: BTreeSet<String>,
}

impl Sheet {
    /// Adds what a sheet says outside of `@` blocks, in selectors of one step: `.a`, `#b`, `p.c`.
    pub(super) fn read(&mut self, css: &str) {
        let mut rest = css;
        while let Some((before, after)) = rest.split_once('{') {
            let selectors = before.rsplit(['}', ';']).next().unwrap_or_default();
            let selectors = selectors.rsplit_once("*/").map_or(selectors, |(_, behind)| behind);
            if selectors.trim_start().starts_with('@') {
                rest = past_block(after);
                continue;
            }
            let Some((body, next)) = after.split_once('}') else {
                return;
            };
            let style = style(body);
            if style.gone || style.visible == Some(false) || style.faint || style.tiny == Some(true) || style.off_screen
            {
                for selector in selectors.split(',').map(str::trim) {
                    let simple = selector.chars().all(|c| c.is_alphanumeric() || "-_.#".contains(c));
                    if simple && !selector.is_empty() && self.hidden.len() < SELECTORS_MAX {
                        self.hidden.insert(selector.to_owned());
                    }
                }
            }
            rest = next;
        }
    }

    /// Whether an element with these classes and this id is hidden.
    pub(super) fn hides(&self, element: &str, classes: &str, id: &str) -> bool {
        if self.hidden.is_empty() {
            return false;
        }
        let known = |selector: &str| self.hidden.contains(selector);
        known(element)
            || (!id.is_empty() && (known(&format!("#{id}")) || known(&format!("{element}#{id}"))))
            || classes
                .split_whitespace()
                .take(64)
                .any(|class| known(&format!(".{class}")) || known(&format!("{element}.{class}")))
    }
}

/// What follows an `@` block, which may hold blocks.
fn past_block(inside: &str) -> &str {
    let mut depth = 1_usize;
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            b'{' => depth = depth.saturating_add(1),
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return inside.get(at.saturating_add(1)..).unwrap_or_default();
        }
    }
    ""
}
