//! 7z archives: the directory at their end, and folders, each of which packs several files as one stream.

mod coders;
mod directory;

pub(crate) use self::coders::Folder;

use self::directory::{Directory, File, Streams};
use crate::judge::{self, Inside};
use crate::scan::{Place, Scan};
use crate::source::{Cursor, Fault, Source, Window, read_up_to};
use crate::unpack::Unpacked;
use crate::verdict::{Verdict, shown};

/// Where the packed streams begin.
const START_BYTES: u64 = 32;
/// Directories that are packed, and packed again.
const PACKED_DIRECTORIES_MAX: u32 = 4;

/// Why a directory was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    #[error("its directory is encrypted")]
    Encrypted,
    #[error("its directory cannot be read: {0}")]
    Damaged(&'static str),
    #[error("its directory cannot be read: {0}")]
    Fault(#[from] Fault),
}

/// Reads every file that the directory shows, and every stream that it gives no name.
pub(crate) fn judge(scan: &mut Scan<'_>, source: &dyn Source, place: &Place) {
    scan.part(place, "7z", source.size());
    let mut known = vec![(0, START_BYTES)];
    match directory(scan, source, &mut known, place) {
        Ok(directory) => {
            files(scan, source, &directory, place);
            known.extend(directory.streams.extents());
            gaps(scan, source, known, place);
        }
        Err(unread) => {
            scan.find(place, "7z.directory", Verdict::Unknown, unread.to_string(), None);
            crate::pickle::search(scan, source, START_BYTES, place);
        }
    }
}

/// Finds the directory and unpacks it; says where it and what it was packed in lie.
fn directory(
    scan: &mut Scan<'_>,
    source: &dyn Source,
    known: &mut Vec<(u64, u64)>,
    place: &Place,
) -> Result<Directory, Unread> {
    let mut cursor = Cursor::new(source, 8);
    let start_sum = cursor.u32_le()?;
    let start = read_up_to(source, 12, 20)?;
    let (offset, bytes, sum) = (cursor.u64_le()?, cursor.u64_le()?, cursor.u32_le()?);
    if bytes == 0 {
        return Ok(Directory::default());
    }
    let at = START_BYTES.checked_add(offset).ok_or(Fault::Truncated)?;
    let mut cursor = Cursor::new(source, at);
    let mut header = cursor.take(bytes, scan.limits().document_bytes_max)?;
    if checksum(&start) != start_sum || checksum(&header) != sum {
        let reason = "the checksum of its directory is wrong; it was read nevertheless";
        scan.find(place, "7z.directory", Verdict::Unknown, reason, Some(8));
    }
    known.push((at, bytes));
    for _ in 0..PACKED_DIRECTORIES_MAX {
        match directory::read(&header, scan.limits().members_max)? {
            directory::Read::Plain(directory) => return Ok(directory),
            directory::Read::Packed(streams) => {
                known.extend(streams.extents());
                header = unpacked(scan, source, &streams, place)?;
            }
        }
    }
    Err(Unread::Damaged("it is packed again and again"))
}

/// The directory that a packed one holds.
fn unpacked(scan: &mut Scan<'_>, source: &dyn Source, streams: &Streams, place: &Place) -> Result<Vec<u8>, Unread> {
    let folder = streams
        .folder(source, 0)
        .ok_or(Unread::Damaged("its place is not said"))?;
    if folder.is_encrypted() {
        return Err(Unread::Encrypted);
    }
    let unpacked = Unpacked::folder(scan, &folder, place);
    if !unpacked.is_held() {
        return Err(Unread::Damaged("it is longer than the limit"));
    }
    let bytes = usize::try_from(unpacked.size()).unwrap_or(usize::MAX);
    Ok(read_up_to(&unpacked, 0, bytes)?)
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut hash = flate2::Crc::new();
    hash.update(bytes);
    hash.sum()
}

/// Judges folder after folder. Files with content take the streams in the order in which both are listed.
fn files(scan: &mut Scan<'_>, source: &dyn Source, directory: &Directory, place: &Place) {
    names(scan, directory, place);
    let mut named = directory.files.iter().filter(|file| !file.is_empty);
    for (number, sizes) in directory.streams.sizes.iter().enumerate() {
        let members: Vec<(Place, u64)> = sizes
            .iter()
            .enumerate()
            .map(|(index, bytes)| {
                let name = named.next().map_or_else(
                    || format!("stream {index} of folder {number}"),
                    |file| file.name.clone(),
                );
                (place.member(&name), *bytes)
            })
            .collect();
        folder(scan, source, &directory.streams, number, &members, place);
    }
    if named.next().is_some() {
        let reason = "it lists more files than it has content for";
        scan.find(place, "7z.directory", Verdict::Unknown, reason, None);
    }
}

/// Bytes that belong to nothing: no reader of archives looks at them, others may.
fn gaps(scan: &mut Scan<'_>, source: &dyn Source, mut known: Vec<(u64, u64)>, place: &Place) {
    known.push((source.size(), 0));
    known.sort_unstable();
    let mut end = 0_u64;
    for (at, bytes) in known {
        if at > end {
            let reason = format!("{} bytes belong to no file of the archive", at.saturating_sub(end));
            scan.find(place, "trailing.bytes", Verdict::Suspicious, reason, Some(end));
            crate::pickle::search(scan, &Window::new(source, 0, at), end, place);
        }
        end = end.max(at.saturating_add(bytes));
    }
}

/// What names and attributes say, without the content.
fn names(scan: &mut Scan<'_>, directory: &Directory, place: &Place) {
    let mut sorted: Vec<&str> = directory.files.iter().map(|file| file.name.as_str()).collect();
    sorted.sort_unstable();
    for pair in sorted.windows(2) {
        if let [first, second] = pair
            && first == second
        {
            let reason = format!("two members are called `{}`; each was read", shown(first));
            scan.find(place, "7z.duplicate", Verdict::Suspicious, reason, None);
        }
    }
    for File { name, is_link, .. } in &directory.files {
        if judge::leads_outside(name) {
            let reason = format!("`{}` would be unpacked outside its folder", shown(name));
            scan.find(place, "archive.path", Verdict::Malicious, reason, None);
        }
        if *is_link {
            let reason = format!("`{}` is a link", shown(name));
            scan.find(place, "archive.link", Verdict::Suspicious, reason, None);
        }
    }
}

fn folder(
    scan: &mut Scan<'_>,
    source: &dyn Source,
    streams: &Streams,
    number: usize,
    members: &[(Place, u64)],
    place: &Place,
) {
    let inside = place.member(&format!("folder {number}"));
    let said = members.first().map_or(&inside, |(first, _)| first);
    let Some(folder) = streams.folder(source, number) else {
        let reason = "its packed streams lie outside the archive";
        scan.find(said, "7z.folder", Verdict::Unknown, reason, None);
        return;
    };
    if let Some(reason) = folder.unreadable() {
        let rule = if folder.is_encrypted() {
            "7z.encrypted"
        } else {
            "7z.method"
        };
        for (member, _) in members {
            scan.find(member, rule, Verdict::Unknown, reason.clone(), None);
        }
        if members.is_empty() {
            scan.find(&inside, rule, Verdict::Unknown, reason, None);
        }
        return;
    }
    let unpacked = Unpacked::folder(scan, &folder, said);
    let mut at = 0_u64;
    for (member, bytes) in members {
        if !scan.count_member(place) {
            return;
        }
        let window = Window::new(&unpacked, at, *bytes);
        at = at.saturating_add(*bytes);
        content(scan, &unpacked, &window, member);
    }
    if at < unpacked.size() {
        let rest = Window::new(&unpacked, at, u64::MAX);
        let reason = format!("{} bytes of it belong to no file", rest.size());
        scan.find(&inside, "trailing.bytes", Verdict::Suspicious, reason, Some(at));
        content(scan, &unpacked, &rest, &inside);
    } else if at > unpacked.size() {
        let reason = "its files are longer than what was packed";
        scan.find(&inside, "7z.folder", Verdict::Unknown, reason, Some(unpacked.size()));
    }
    unpacked.close(scan, &inside);
}

/// One file of a folder. In a long folder a short file is copied out, since going back means unpacking all of it again.
fn content(scan: &mut Scan<'_>, unpacked: &Unpacked<'_>, window: &Window<'_>, place: &Place) {
    let short = usize::try_from(window.size())
        .ok()
        .filter(|bytes| !unpacked.is_held() && *bytes <= scan.limits().held_bytes_max);
    let Some(bytes) = short else {
        return judge::judge(scan, window, place, Inside::Archive);
    };
    match read_up_to(window, 0, bytes) {
        Ok(copy) => judge::judge(scan, &copy.as_slice(), place, Inside::Archive),
        Err(fault) => scan.find(place, "file.read", Verdict::Unknown, fault.to_string(), None),
    }
}
