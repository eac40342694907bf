//! Zip archives by both of their directories: what either of them shows is read, and differences are findings.

use std::collections::BTreeMap;

use crate::judge::{self, Inside};
use crate::scan::{Place, Scan};
use crate::source::{Cursor, Fault, Source, Window, read_up_to};
use crate::unpack::{Packing, Unpacked};
use crate::verdict::{Verdict, shown};

const LOCAL: [u8; 4] = *b"PK\x03\x04";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
const END_64: [u8; 4] = *b"PK\x06\x06";
const END_BYTES: u64 = 22;
/// How far from the end of the file its directory's end may stand.
const END_SEARCH_BYTES: u64 = (1 << 16) + END_BYTES;
const NAME_BYTES_MAX: usize = 1 << 16;
/// Where local headers are searched for when their chain breaks.
const SEARCH_BYTES_MAX: u64 = 1 << 30;

/// One directory's word about a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    method: u16,
    flags: u16,
    crc: u32,
    packed_bytes: u64,
    bytes: u64,
    /// Where its local header stands.
    header_at: u64,
    is_link: bool,
}

/// Where the central directory lies.
#[derive(Debug, Clone, Copy)]
struct End {
    count: u64,
    directory_at: u64,
    directory_bytes: u64,
    /// Bytes in front of the archive.
    shift: u64,
}

/// What is known about a member from both sides, by the place of its local header.
#[derive(Debug, Default)]
struct Sides {
    central: Vec<Entry>,
    local: Option<(Entry, u64)>,
}

/// Whether a zip's directory stands at the end of a file, whatever it begins with.
pub(crate) fn has_directory(source: &dyn Source) -> bool {
    find_end(source)
        .is_some_and(|end| end.count > 0 && read_up_to(source, end.directory_at, 4).is_ok_and(|bytes| bytes == CENTRAL))
}

/// How a member is packed, as far as those care who want its place only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Stored,
    Deflated,
    Other(u16),
}

/// A member of which both directories say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) method: Method,
    pub(crate) data_at: u64,
    pub(crate) packed_bytes: u64,
    pub(crate) bytes: u64,
}

/// Members in the order of their places; fails where the directories disagree or something is encrypted.
pub(crate) fn listed(source: &dyn Source) -> Result<Vec<Listed>, Fault> {
    let end = find_end(source).ok_or(Fault::Truncated)?;
    let options = crate::Options::default();
    let mut members = BTreeMap::new();
    central(&Scan::new(&options), source, end, &mut members)?;
    let mut out = Vec::new();
    for entry in members.values().flat_map(|sides: &Sides| &sides.central) {
        let (local, data_at) = local(source, entry.header_at)?.ok_or(Fault::Truncated)?;
        if differ(entry, &local) || entry.flags & 1 != 0 {
            return Err(Fault::Disagree);
        }
        out.push(Listed {
            name: entry.name.clone(),
            method: match entry.method {
                0 => Method::Stored,
                8 => Method::Deflated,
                other => Method::Other(other),
            },
            data_at,
            packed_bytes: entry.packed_bytes,
            bytes: entry.bytes,
        });
    }
    Ok(out)
}

/// Reads every member that either directory shows.
pub(crate) fn judge(scan: &mut Scan<'_>, source: &dyn Source, place: &Place) {
    let mut members: BTreeMap<u64, Sides> = BTreeMap::new();
    let end = find_end(source);
    match end {
        Some(end) => {
            if let Err(fault) = central(scan, source, end, &mut members) {
                let reason = format!("its central directory cannot be read: {fault}");
                scan.find(
                    place,
                    "zip.directory",
                    Verdict::Suspicious,
                    reason,
                    Some(end.directory_at),
                );
            }
        }
        None => {
            let reason = "it has no central directory; its members were found by their local headers";
            scan.find(place, "zip.directory", Verdict::Suspicious, reason, None);
        }
    }
    if let Err(fault) = locals(scan, source, &mut members) {
        let reason = format!("its local headers cannot be read: {fault}");
        scan.find(place, "zip.directory", Verdict::Unknown, reason, None);
    }
    let names: Vec<String> = members
        .values()
        .filter_map(|sides| sides.any())
        .map(|entry| entry.name.clone())
        .collect();
    scan.part(place, judge::layout(&names), source.size());
    duplicates(scan, &names, place);
    for sides in members.values() {
        if !scan.count_member(place) {
            return;
        }
        if let Some(end) = end {
            contents_end(scan, sides, end, place);
        }
        member(scan, source, sides, &names, place);
    }
}

/// Where a member's content begins follows from the name in its local header: a header that says another length puts it
/// elsewhere, into the directory even, and what readers take for it differs.
fn contents_end(scan: &mut Scan<'_>, sides: &Sides, end: End, place: &Place) {
    let Some((local, data_at)) = &sides.local else { return };
    for entry in &sides.central {
        let elsewhere = entry.name.len() != local.name.len();
        let beyond = data_at.saturating_add(entry.packed_bytes) > end.directory_at;
        if elsewhere || beyond {
            let reason = format!("where the content of `{}` lies is not certain", shown(&entry.name));
            scan.find(place, "zip.directory", Verdict::Unknown, reason, Some(entry.header_at));
        }
    }
}

impl Sides {
    fn any(&self) -> Option<&Entry> {
        self.central.first().or(self.local.as_ref().map(|(entry, _)| entry))
    }
}

fn find_end(source: &dyn Source) -> Option<End> {
    let size = source.size();
    let from = size.saturating_sub(END_SEARCH_BYTES);
    let tail = read_up_to(source, from, usize::try_from(END_SEARCH_BYTES).ok()?).ok()?;
    let at = tail.windows(4).rposition(|window| window == END)?;
    let end_at = from.saturating_add(u64::try_from(at).ok()?);
    let mut cursor = Cursor::new(source, end_at.saturating_add(10));
    let mut count = u64::from(u16::from_le_bytes(cursor.array().ok()?));
    let mut directory_bytes = u64::from(cursor.u32_le().ok()?);
    let mut offset = u64::from(cursor.u32_le().ok()?);
    let mut directory_end = end_at;
    if let Some(wide) = end_64(source, end_at) {
        (count, directory_bytes, offset, directory_end) = wide;
    }
    let directory_at = directory_end.checked_sub(directory_bytes).unwrap_or(offset);
    Some(End {
        count,
        directory_at,
        directory_bytes,
        shift: directory_at.saturating_sub(offset),
    })
}

/// The wide end record in front of the narrow one, if there is one.
fn end_64(source: &dyn Source, end_at: u64) -> Option<(u64, u64, u64, u64)> {
    let locator_at = end_at.checked_sub(20)?;
    let mut cursor = Cursor::new(source, locator_at);
    if cursor.array().ok()? != *b"PK\x06\x07" {
        return None;
    }
    cursor.skip(4).ok()?;
    let said = cursor.u64_le().ok()?;
    // Python expects it right before the locator; others believe the locator.
    let before = locator_at.checked_sub(56)?;
    let at = [before, said]
        .into_iter()
        .find(|at| read_up_to(source, *at, 4).is_ok_and(|bytes| bytes == END_64))?;
    let mut cursor = Cursor::new(source, at.saturating_add(32));
    let count = cursor.u64_le().ok()?;
    Some((count, cursor.u64_le().ok()?, cursor.u64_le().ok()?, at))
}

fn central(scan: &Scan<'_>, source: &dyn Source, end: End, members: &mut BTreeMap<u64, Sides>) -> Result<(), Fault> {
    let mut cursor = Cursor::new(source, end.directory_at);
    let until = end.directory_at.saturating_add(end.directory_bytes).min(source.size());
    let mut read = 0_u64;
    while cursor.position() < until && read <= scan.limits().members_max {
        if cursor.array()? != CENTRAL {
            return Err(Fault::Truncated);
        }
        let made_by = u16::from_le_bytes(cursor.array()?);
        cursor.skip(2)?;
        let mut entry = sizes(&mut cursor)?;
        let name_bytes = u16::from_le_bytes(cursor.array()?);
        let extra_bytes = u16::from_le_bytes(cursor.array()?);
        let comment_bytes = u16::from_le_bytes(cursor.array()?);
        cursor.skip(4)?;
        let attributes = cursor.u32_le()?;
        let mut header_at = u64::from(cursor.u32_le()?);
        entry.name = name(&mut cursor, name_bytes)?;
        let extra = cursor.take(u64::from(extra_bytes), NAME_BYTES_MAX)?;
        widen(&extra, &mut entry, Some(&mut header_at));
        cursor.skip(u64::from(comment_bytes))?;
        entry.header_at = header_at.saturating_add(end.shift);
        entry.is_link = made_by >> 8 == 3 && (attributes >> 28) == 0xa;
        members.entry(entry.header_at).or_default().central.push(entry);
        read = read.saturating_add(1);
    }
    Ok(())
}

/// The fields that both headers have in the same order: flags, method, time, checksum, sizes.
fn sizes(cursor: &mut Cursor<'_>) -> Result<Entry, Fault> {
    let flags = u16::from_le_bytes(cursor.array()?);
    let method = u16::from_le_bytes(cursor.array()?);
    cursor.skip(4)?;
    Ok(Entry {
        name: String::new(),
        method,
        flags,
        crc: cursor.u32_le()?,
        packed_bytes: u64::from(cursor.u32_le()?),
        bytes: u64::from(cursor.u32_le()?),
        header_at: 0,
        is_link: false,
    })
}

fn name(cursor: &mut Cursor<'_>, bytes: u16) -> Result<String, Fault> {
    let raw = cursor.take(u64::from(bytes), NAME_BYTES_MAX)?;
    Ok(String::from_utf8_lossy(&raw).into_owned())
}

/// The zip64 field of a header's extra data.
fn widen(extra: &[u8], entry: &mut Entry, header_at: Option<&mut u64>) {
    let mut rest = extra;
    while let [a, b, c, d, after @ ..] = rest {
        let (kind, bytes) = (u16::from_le_bytes([*a, *b]), usize::from(u16::from_le_bytes([*c, *d])));
        let field = after.get(..bytes.min(after.len())).unwrap_or_default();
        if kind == 1 {
            let mut words = field
                .chunks_exact(8)
                .filter_map(|word| word.try_into().ok())
                .map(u64::from_le_bytes);
            let narrow = u64::from(u32::MAX);
            for value in [Some(&mut entry.bytes), Some(&mut entry.packed_bytes), header_at]
                .into_iter()
                .flatten()
            {
                if *value == narrow
                    && let Some(wide) = words.next()
                {
                    *value = wide;
                }
            }
            return;
        }
        rest = after.get(bytes..).unwrap_or_default();
    }
}

/// Follows the chain of local headers, and the places that the central directory names.
fn locals(scan: &Scan<'_>, source: &dyn Source, members: &mut BTreeMap<u64, Sides>) -> Result<(), Fault> {
    let known: Vec<u64> = members.keys().copied().collect();
    for at in known {
        if let Some(local) = local(source, at)?
            && let Some(sides) = members.get_mut(&at)
        {
            sides.local = Some(local);
        }
    }
    let mut at = 0_u64;
    let mut found = 0_u64;
    while let Some(next) = next_header(source, at)? {
        found = found.saturating_add(1);
        if found > scan.limits().members_max {
            break;
        }
        let Some((entry, data_at)) = local(source, next)? else {
            at = next.saturating_add(4);
            continue;
        };
        let sides = members.entry(next).or_default();
        let said = sides
            .central
            .first()
            .map_or(entry.packed_bytes, |central| central.packed_bytes);
        at = data_at.saturating_add(said.min(source.size()));
        sides.local = Some((entry, data_at));
    }
    Ok(())
}

fn local(source: &dyn Source, at: u64) -> Result<Option<(Entry, u64)>, Fault> {
    let mut cursor = Cursor::new(source, at);
    if cursor.left() < 30 || cursor.array()? != LOCAL {
        return Ok(None);
    }
    cursor.skip(2)?;
    let mut entry = sizes(&mut cursor)?;
    let name_bytes = u16::from_le_bytes(cursor.array()?);
    let extra_bytes = u16::from_le_bytes(cursor.array()?);
    if cursor.left() < u64::from(name_bytes).saturating_add(u64::from(extra_bytes)) {
        return Ok(None);
    }
    entry.name = name(&mut cursor, name_bytes)?;
    let extra = cursor.take(u64::from(extra_bytes), NAME_BYTES_MAX)?;
    widen(&extra, &mut entry, None);
    entry.header_at = at;
    Ok(Some((entry, cursor.position())))
}

/// The next local header at or after `from`.
fn next_header(source: &dyn Source, from: u64) -> Result<Option<u64>, Fault> {
    const PIECE: usize = 1 << 16;
    let mut at = from;
    let end = from.saturating_add(SEARCH_BYTES_MAX).min(source.size());
    while at < end {
        let piece = read_up_to(source, at, PIECE)?;
        if let Some(found) = piece.windows(4).position(|window| window == LOCAL) {
            return Ok(Some(at.saturating_add(u64::try_from(found).unwrap_or(u64::MAX))));
        }
        if piece.len() < PIECE {
            return Ok(None);
        }
        at = at.saturating_add(u64::try_from(PIECE.saturating_sub(3)).unwrap_or(1));
    }
    Ok(None)
}

fn duplicates(scan: &mut Scan<'_>, names: &[String], place: &Place) {
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    for pair in sorted.windows(2) {
        if let [first, second] = pair
            && first == second
        {
            let reason = format!("two members are called `{}`; each was read", shown(first));
            scan.find(place, "zip.duplicate", Verdict::Suspicious, reason, None);
        }
    }
}

fn member(scan: &mut Scan<'_>, source: &dyn Source, sides: &Sides, names: &[String], place: &Place) {
    let Some(entry) = sides.any() else { return };
    let at = Some(entry.header_at);
    let mut readings: Vec<Entry> = sides.central.clone();
    match &sides.local {
        None => {
            let reason = format!("`{}` has no local header where the directory says", shown(&entry.name));
            scan.find(place, "zip.directory", Verdict::Unknown, reason, at);
            return;
        }
        Some((local, _)) if sides.central.is_empty() => {
            let reason = format!("`{}` stands in no central directory; it was read", shown(&local.name));
            scan.find(place, "zip.directory", Verdict::Suspicious, reason, at);
            readings.push(local.clone());
        }
        Some((local, _)) => {
            let differs = sides.central.iter().all(|central| differ(central, local));
            if differs {
                let reason = format!(
                    "the directories disagree about `{}` and `{}`; both readings were judged",
                    shown(&entry.name),
                    shown(&local.name)
                );
                scan.find(place, "zip.directory", Verdict::Suspicious, reason, at);
                readings.push(local.clone());
            }
        }
    }
    let data_at = sides.local.as_ref().map_or(0, |(_, data_at)| *data_at);
    for reading in readings {
        names_outside(scan, &reading, place);
        if !reading.name.ends_with('/') || reading.packed_bytes > 0 {
            content(scan, source, &reading, data_at, names, place);
        }
    }
}

fn differ(central: &Entry, local: &Entry) -> bool {
    let streamed = local.flags & 8 != 0;
    central.name != local.name
        || central.method != local.method
        || (!streamed && (central.packed_bytes != local.packed_bytes || central.bytes != local.bytes))
}

/// Names that lead out of the folder into which somebody unpacks the archive.
fn names_outside(scan: &mut Scan<'_>, entry: &Entry, place: &Place) {
    if judge::leads_outside(&entry.name) {
        let reason = format!("`{}` would be unpacked outside its folder", shown(&entry.name));
        scan.find(place, "archive.path", Verdict::Malicious, reason, Some(entry.header_at));
    }
    if entry.is_link {
        let reason = format!("`{}` is a link", shown(&entry.name));
        scan.find(
            place,
            "archive.link",
            Verdict::Suspicious,
            reason,
            Some(entry.header_at),
        );
    }
}

fn content(scan: &mut Scan<'_>, source: &dyn Source, entry: &Entry, data_at: u64, names: &[String], place: &Place) {
    let inner = place.member(&entry.name);
    let window = Window::new(source, data_at, entry.packed_bytes);
    let encrypted = entry.flags & 1 != 0;
    let packing = match entry.method {
        0 => None,
        8 => Some(Packing::Deflate),
        9 => Some(Packing::Deflate64),
        12 => Some(Packing::Bzip2),
        14 => Some(Packing::LzmaInZip),
        93 => Some(Packing::Zstd),
        95 => Some(Packing::Xz),
        other => {
            let reason = format!("it is packed by method {other}, which is not read");
            scan.find(&inner, "zip.method", Verdict::Unknown, reason, Some(data_at));
            return;
        }
    };
    let inside = Inside::Zip(names);
    let Some(packing) = packing else {
        if encrypted && !checks(&window, entry.crc) {
            return is_encrypted(scan, &inner);
        }
        said_encrypted(scan, encrypted, &inner);
        return judge::judge(scan, &window, &inner, inside);
    };
    if encrypted {
        let mut tried = Scan::new(scan.options);
        let unpacked = Unpacked::open(&mut tried, &window, packing, &inner);
        if !checks(&unpacked, entry.crc) {
            return is_encrypted(scan, &inner);
        }
    }
    said_encrypted(scan, encrypted, &inner);
    let unpacked = Unpacked::open(scan, &window, packing, &inner);
    judge::judge(scan, &unpacked, &inner, inside);
    unpacked.close(scan, &inner);
}

fn is_encrypted(scan: &mut Scan<'_>, place: &Place) {
    scan.find(
        place,
        "zip.encrypted",
        Verdict::Unknown,
        "it is encrypted and was not read",
        None,
    );
}

fn said_encrypted(scan: &mut Scan<'_>, encrypted: bool, place: &Place) {
    if encrypted {
        let reason = "it says that it is encrypted and is not, which keeps other readers out";
        scan.find(place, "zip.encrypted", Verdict::Suspicious, reason, None);
    }
}

/// Whether the bytes have this checksum.
fn checks(source: &dyn Source, crc: u32) -> bool {
    let mut cursor = Cursor::new(source, 0);
    let mut hash = flate2::Crc::new();
    loop {
        let count = cursor.left().min(1 << 16);
        if count == 0 {
            return hash.sum() == crc;
        }
        match cursor.take(count, 1 << 16) {
            Ok(piece) => hash.update(&piece),
            Err(_) => return false,
        }
    }
}
