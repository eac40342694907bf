//! Pickles where none belongs: after the last one, inside texts, in the middle of other data.

use super::machine::Machine;
use super::{Surely, Was, judge, suppose};
use crate::scan::{Place, Scan};
use crate::source::{Source, Window, read_up_to};
use crate::verdict::{Report, Verdict};

/// How far data is searched.
const SEARCHED_BYTES_MAX: u64 = 256 << 20;
/// Places that are tried.
const TRIES_MAX: u32 = 20_000;
const TRIED_OPCODES_MAX: u64 = 20_000;
/// Overlap of two pieces that are searched one after the other.
const OVERLAP: usize = 512;
const PIECE: usize = 1 << 20;
/// Longest constant that is decoded.
const DECODED_BYTES_MAX: usize = 1 << 20;

/// Bytes are left where none should be.
pub(crate) fn after(scan: &mut Scan<'_>, source: &dyn Source, at: u64, place: &Place, what: &str) {
    let left = source.size().saturating_sub(at);
    if left == 0 {
        return;
    }
    let reason = format!("{left} bytes {what}");
    scan.find(place, "trailing.bytes", Verdict::Suspicious, reason, Some(at));
    search(scan, source, at, place);
}

/// Searches the rest of a source for the beginnings of pickles that do something.
pub(crate) fn search(scan: &mut Scan<'_>, source: &dyn Source, from: u64, place: &Place) {
    let end = source.size().min(from.saturating_add(SEARCHED_BYTES_MAX));
    let mut at = from;
    let mut tries = 0_u32;
    while at < end {
        let Ok(piece) = read_up_to(source, at, PIECE.saturating_add(OVERLAP)) else {
            return;
        };
        if piece.is_empty() {
            break;
        }
        for start in 0..piece.len().min(PIECE) {
            let rest = piece.get(start..).unwrap_or_default();
            if !begins_pickle(rest) {
                continue;
            }
            tries = tries.saturating_add(1);
            if tries > TRIES_MAX {
                let reason = "too many places look like pickles to try them all";
                scan.find(place, "trailing.search", Verdict::Suspicious, reason, None);
                return;
            }
            let here = at.saturating_add(u64::try_from(start).unwrap_or(u64::MAX));
            if let Some(machine) = suppose(scan, source, here, TRIED_OPCODES_MAX)
                && machine.notes.worst() == Some(Verdict::Malicious)
            {
                super::report(scan, &machine, place, "a pickle in the middle of other data: ");
                return;
            }
        }
        at = at.saturating_add(u64::try_from(PIECE).unwrap_or(u64::MAX));
    }
    if end < source.size() {
        let reason = "only the beginning of the trailing data was searched for pickles";
        scan.find(place, "trailing.search", Verdict::Suspicious, reason, Some(end));
    }
}

/// Whether a pickle may begin here: PROTO, or a name in one of the three spellings.
fn begins_pickle(bytes: &[u8]) -> bool {
    match bytes {
        [0x80, 0..=5, next, ..] => is_opcode(*next),
        [b'c' | b'i', rest @ ..] => {
            let line = |bytes: &[u8]| -> Option<usize> {
                let end = bytes.iter().take(128).position(|byte| *byte == b'\n')?;
                let name = bytes.get(..end)?;
                (!name.is_empty() && name.iter().all(|byte| is_name_byte(*byte))).then_some(end)
            };
            line(rest)
                .and_then(|end| rest.get(end.saturating_add(1)..))
                .is_some_and(|second| line(second).is_some())
        }
        [0x8c, count, rest @ ..] => {
            let count = usize::from(*count);
            let name = rest.get(..count).unwrap_or_default();
            !name.is_empty()
                && name.iter().all(|byte| is_name_byte(*byte))
                && matches!(rest.get(count..), Some([0x8c, ..] | [0x94, 0x8c, ..]))
        }
        _ => false,
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')
}

fn is_opcode(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte >= 0x80
}

/// Looks into the texts and bytes of a pickle for further pickles, as they are or encoded.
pub(super) fn constants(scan: &mut Scan<'_>, source: &dyn Source, machine: &Machine<'_, '_>, place: &Place) {
    if place.depth.saturating_add(1) >= scan.limits().depth_max.min(4) {
        return;
    }
    for (at, bytes) in &machine.constants {
        let window = Window::new(source, *at, *bytes);
        let Ok(head) = read_up_to(&window, 0, 256) else {
            continue;
        };
        let worst = match head.as_slice() {
            [0x80, 2..=5, ..] => nested(scan, &window, place).or_else(|| harmless(scan, &window, place)),
            [b'c' | b'(', ..] if begins_pickle(&head) || begins_pickle(head.get(1..).unwrap_or_default()) => {
                nested(scan, &window, place)
            }
            _ => decoded(scan, &window, head.get(..16).unwrap_or(&head), place),
        };
        if let Some((verdict, what)) = worst {
            let reason = format!("a text or bytes hold another pickle: {what}");
            scan.find(place, "pickle.nested", verdict, reason, Some(*at));
        }
    }
}

/// Undoes base64 or hexadecimal digits.
fn decoded(scan: &mut Scan<'_>, window: &Window<'_>, head: &[u8], place: &Place) -> Option<(Verdict, String)> {
    let is_hex = head.iter().all(u8::is_ascii_hexdigit);
    let is_base64 = head
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'='));
    if !is_base64 || head.len() < 8 {
        return None;
    }
    let text = read_up_to(window, 0, DECODED_BYTES_MAX).ok()?;
    if is_hex && let Some(bytes) = from_hex(&text) {
        let found = data(scan, &bytes, place);
        if found.is_some() {
            return found;
        }
    }
    data(scan, &from_base64(&text)?, place)
}

/// A pickle, another encoding of one, or one that zlib packed.
fn data(scan: &mut Scan<'_>, bytes: &[u8], place: &Place) -> Option<(Verdict, String)> {
    if place.depth >= scan.limits().depth_max {
        return None;
    }
    match bytes {
        [0x80, 2..=5, ..] | [b'c', ..] | [b'(', ..] => nested(scan, &bytes, place),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => {
            let unpacked = inflated(bytes)?;
            nested(scan, &unpacked.as_slice(), place)
        }
        _ => {
            let deeper = Place {
                depth: place.depth.saturating_add(1),
                ..place.clone()
            };
            let head = bytes.get(..bytes.len().min(16)).unwrap_or_default();
            let window = Window::new(&bytes, 0, u64::MAX);
            decoded(scan, &window, head, &deeper)
        }
    }
}

fn inflated(bytes: &[u8]) -> Option<Vec<u8>> {
    let reader = flate2::read::ZlibDecoder::new(bytes);
    let mut capped = std::io::Read::take(reader, u64::try_from(DECODED_BYTES_MAX).ok()?);
    testudo_bounded::read_to_end(&mut capped, DECODED_BYTES_MAX).ok()
}

/// What loading it would do, if that is not known to be harmless.
fn nested(scan: &mut Scan<'_>, source: &dyn Source, place: &Place) -> Option<(Verdict, String)> {
    let (_, report) = supposed(scan, source, place);
    let worst = report.findings.iter().max_by_key(|finding| finding.verdict)?;
    (worst.verdict >= Verdict::Unknown).then(|| (worst.verdict, worst.reason.clone()))
}

/// A whole pickle that does nothing: savers do not wrap one in another, but for storages of PyTorch.
fn harmless(scan: &mut Scan<'_>, source: &dyn Source, place: &Place) -> Option<(Verdict, String)> {
    let head = read_up_to(source, 0, super::OLD_TORCH.len()).ok()?;
    let (was, report) = supposed(scan, source, place);
    let is_whole = was == Was::Pickle && report.findings.is_empty();
    (is_whole && head != super::OLD_TORCH).then(|| (Verdict::Suspicious, "it was read and is harmless".to_owned()))
}

fn supposed(scan: &mut Scan<'_>, source: &dyn Source, place: &Place) -> (Was, Report) {
    let deeper = Place {
        depth: place.depth.saturating_add(1),
        ..place.clone()
    };
    let mut inner = Scan::new(scan.options);
    inner.opcodes = scan.opcodes;
    let was = judge(&mut inner, source, 0, &deeper, Surely::Perhaps);
    scan.opcodes = inner.opcodes;
    (was, inner.into_report())
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digits = std::str::from_utf8(text).ok()?;
    if digits.len() % 2 != 0 {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at.saturating_add(2))?, 16).ok())
        .collect()
}

fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut bits = 0_u32;
    let mut count = 0_u32;
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte.saturating_sub(b'A'),
            b'a'..=b'z' => byte.saturating_sub(b'a').saturating_add(26),
            b'0'..=b'9' => byte.saturating_sub(b'0').saturating_add(52),
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => break,
            b'\n' | b'\r' => continue,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count = count.saturating_add(6);
        if count >= 8 {
            count = count.saturating_sub(8);
            out.push(u8::try_from((bits >> count) & 0xff).unwrap_or(0));
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_undone() {
        assert_eq!(from_base64(b"gASVHg==").unwrap(), [0x80, 4, 0x95, 0x1e]);
        assert_eq!(from_base64(b"g AS"), None);
        assert_eq!(from_hex(b"8004").unwrap(), [0x80, 4]);
        assert_eq!(from_hex(b"80f"), None);
    }

    #[test]
    fn beginnings_are_seen() {
        for yes in [
            &b"\x80\x04\x95"[..],
            b"cos\nsystem\n",
            b"ios\nsystem\n",
            b"\x8c\x02os\x94\x8c",
        ] {
            assert!(begins_pickle(yes), "{yes:?}");
        }
        for no in [
            &b""[..],
            b"\x80\x09.",
            b"c\n\n",
            b"cos system\n",
            b"\x8c\x00\x8c",
            b"\x8c\xffos",
        ] {
            assert!(!begins_pickle(no), "{no:?}");
        }
    }
}
