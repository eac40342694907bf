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

/// What the attributes of a tag say about its look, as written; browsers ignore a second one of a name.
#[derive(Debug, Default)]
struct Own<'t> {
    class: Option<&'t str>,
    id: Option<&'t str>,
    style: Option<&'t str>,
    /// The attribute `color`.
    colour: Option<&'t str>,
    /// The attribute `bgcolor`.
    background_colour: Option<&'t str>,
    has_background: bool,
    hidden: bool,
    aria_hidden: Option<&'t str>,
}

impl<'t> Own<'t> {
    fn of(text: &'t str, tag: &Tag) -> Self {
        let mut own = Self::default();
        for attribute in &tag.attributes {
            let name = text.get(attribute.name.clone()).unwrap_or_default();
            let value = text.get(attribute.value.clone());
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            let slot = match name.len() {
                2 if is("id") => &mut own.id,
                5 if is("class") => &mut own.class,
                5 if is("style") => &mut own.style,
                5 if is("color") => &mut own.colour,
                6 if is("hidden") => {
                    own.hidden = true;
                    continue;
                }
                7 if is("bgcolor") => &mut own.background_colour,
                10 if is("background") => {
                    own.has_background = true;
                    continue;
                }
                11 if is("aria-hidden") => &mut own.aria_hidden,
                _ => continue,
            };
            *slot = slot.or(value);
        }
        own
    }
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
        let own = Own::of(text, tag);
        let (class, id) = (own.class.map(decode), own.id.map(decode));
        look.styled_elsewhere |= class.is_some() || id.is_some() || own.has_background;
        if let Some(raw) = own.style {
            look.apply(&style(&decode(raw)));
        }
        if let Some(own) = own.colour.filter(|_| element == "font") {
            look.colour = Some(colour(&decode(own)));
        }
        if let Some(own) = own.background_colour {
            look.background = Some(colour(&decode(own)));
        }
        let hidden_by = match element {
            "template" => Some(Hiding::Template),
            "noscript" => Some(Hiding::NoScript),
            _ if own.hidden => Some(Hiding::Attribute),
            _ if sheet.hides(
                element,
                class.as_deref().unwrap_or_default(),
                id.as_deref().unwrap_or_default(),
            ) =>
            {
                Some(Hiding::StyleSheet)
            }
            _ if own
                .aria_hidden
                .is_some_and(|value| decode(value).trim().eq_ignore_ascii_case("true")) =>
            {
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
