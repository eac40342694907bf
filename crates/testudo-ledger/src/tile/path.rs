//! Where a tile lies under the log's folder or address.

use super::{LEVEL_MAX, Tile, TileLevel, WIDTH};

/// Why a path names no tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("a tile's path is `tile/<level>/<index>` or `tile/entries/<index>`, with `.p/<width>` when partial")]
    Shape,
    #[error("the level is a number from 0 to 63 without leading zeros, or `entries`")]
    Level,
    #[error("the index is written in groups of three digits, all but the last with an `x` before")]
    Index,
    #[error("the width of a partial tile is a number from 1 to 255 without leading zeros")]
    Width,
}

impl Tile {
    /// Its path, for example `tile/0/x001/x234/067.p/8`.
    #[must_use]
    pub fn path(&self) -> String {
        let level = match self.level {
            TileLevel::Entries => "entries".to_owned(),
            TileLevel::Hashes(level) => level.to_string(),
        };
        let index = index_path(self.index);
        if self.is_full() {
            format!("tile/{level}/{index}")
        } else {
            format!("tile/{level}/{index}.p/{}", self.width)
        }
    }

    /// Reads a path, in the one form that [`Tile::path`] writes.
    ///
    /// # Errors
    /// When it is no tile's path.
    pub fn parse(path: &str) -> Result<Self, PathError> {
        let rest = path.strip_prefix("tile/").ok_or(PathError::Shape)?;
        let (level, rest) = rest.split_once('/').ok_or(PathError::Shape)?;
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, Some(width)),
            None => (rest, None),
        };
        let level = match level {
            "entries" => TileLevel::Entries,
            _ => {
                let level = decimal(level).filter(|it| *it <= u64::from(LEVEL_MAX));
                TileLevel::Hashes(level.and_then(|it| u8::try_from(it).ok()).ok_or(PathError::Level)?)
            }
        };
        let index = parse_index(index).ok_or(PathError::Index)?;
        let width = match width {
            Some(text) => {
                let width = decimal(text).filter(|it| (1..u64::from(WIDTH)).contains(it));
                width.and_then(|it| u16::try_from(it).ok()).ok_or(PathError::Width)?
            }
            None => WIDTH,
        };
        Ok(Self { level, index, width })
    }
}

/// An index in groups of three digits, for example `x001/x234/067`, so that no folder has over a thousand files.
#[must_use]
pub fn index_path(index: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    path
}

fn parse_index(text: &str) -> Option<u64> {
    let (groups, last) = match text.rsplit_once('/') {
        Some((groups, last)) => (Some(groups), last),
        None => (None, text),
    };
    let groups = groups.into_iter().flat_map(|it| it.split('/'));
    let mut index: u64 = 0;
    for group in groups.map(|it| it.strip_prefix('x')).chain([Some(last)]) {
        let group = group.filter(|it| it.len() == 3 && it.bytes().all(|b| b.is_ascii_digit()))?;
        index = index.checked_mul(1000)?.checked_add(group.parse().ok()?)?;
    }
    // A group of zeros in front would be a second way to write the same index.
    (index_path(index) == text).then_some(index)
}

/// A number without sign and leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
