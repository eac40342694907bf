//! What is known at a place of a page about whether its text can be seen.

use super::entities::decode;
use super::parts::Hiding;
use super::sheet::{Colour, Sheet, Style, colour, style};
use super::tokens::Tag;

/// The look that an element gives to its text, and by inheritance to what is inside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// Nothing inside can be seen again.
    gone: Option<Hiding>,
    invisible: bool,
    tiny: bool,
    colour: Option<Colour>,
    background: Option<Colour>,
    /// A style sheet or picture may set a background that is not known here.
    styled_elsewhere: bool,
}

impl Look {
    pub(super) const PLAIN: Self = Self {
        gone: None,
        invisible: false,
        tiny: false,
        colour: None,
        background: None,
        styled_elsewhere: false,
    };

    /// Why text here cannot be seen; `None` when it can.
    pub(super) fn hiding(&self) -> Option<Hiding> {
        self.gone
            .or_else(|| self.invisible.then_some(Hiding::Visibility))
            .or_else(|| self.tiny.then_some(Hiding::Size))
            .or_else(|| self.faded().then_some(Hiding::Colour))
    }

    fn faded(&self) -> bool {
        let Some(own) = self.colour else { return false };
        match self.background {
            Some(background) => own.fades_into(background),
            None => own == Colour::Transparent || (own.is_white() && !self.styled_elsewhere),
        }
    }

    /// The look inside of a tag; `element` is its name in lower case.
    pub(super) fn inside(&self, text: &str, tag: &Tag, element: &str, sheet: &Sheet) -> Self {
        let mut look = *self;
        let value = |name: &str| tag.attribute(text, name).map(decode);
        let (class, id) = (value("class"), value("id"));
        look.styled_elsewhere |= class.is_some() || id.is_some() || value("background").is_some();
        if let Some(raw) = value("style") {
            look.apply(&style(&raw));
        }
        if let Some(own) = value("color").filter(|_| element == "font") {
            look.colour = Some(colour(&own));
        }
        if let Some(own) = value("bgcolor") {
            look.background = Some(colour(&own));
        }
        let hidden_by = match element {
            "template" => Some(Hiding::Template),
            "noscript" => Some(Hiding::NoScript),
            _ if tag.attribute(text, "hidden").is_some() => Some(Hiding::Attribute),
            _ if sheet.hides(
                element,
                class.as_deref().unwrap_or_default(),
                id.as_deref().unwrap_or_default(),
            ) =>
            {
                Some(Hiding::StyleSheet)
            }
            _ if value("aria-hidden").is_some_and(|value| value.trim().eq_ignore_ascii_case("true")) => {
                Some(Hiding::Aria)
            }
            _ => None,
        };
        // What hides for certain outweighs what may not.
        if look.gone.is_none_or(|known| known.is_weak()) {
            look.gone = hidden_by.or(look.gone);
        }
        look
    }

    fn apply(&mut self, style: &Style) {
        let gone = [
            (style.gone, Hiding::Display),
            (style.faint, Hiding::Opacity),
            (style.off_screen, Hiding::OffScreen),
            (style.no_room, Hiding::Size),
        ];
        let gone = gone.into_iter().find(|(is, _)| *is).map(|(_, hiding)| hiding);
        if gone.is_some() && self.gone.is_none_or(|known| known.is_weak()) {
            self.gone = gone;
        }
        if let Some(visible) = style.visible {
            self.invisible = !visible;
        }
        if let Some(tiny) = style.tiny {
            self.tiny = tiny;
        }
        self.colour = style.colour.or(self.colour);
        self.background = style.background.or(self.background);
    }
}
