//! Gzip without compression: stored blocks in a valid container.

/// `data` as a gzip member of stored blocks.
pub(super) fn gzip_stored(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut blocks = data.chunks(usize::from(u16::MAX)).peekable();
    if blocks.peek().is_none() {
        out.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
    }
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(blocks.peek().is_none()));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&crc32(data).to_le_bytes());
    // The format stores the length modulo 2^32.
    let length = u64::try_from(data.len()).unwrap_or(0) & u64::from(u32::MAX);
    out.extend_from_slice(&u32::try_from(length).unwrap_or(0).to_le_bytes());
    out
}

fn crc32(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let low = crc & 1;
            crc >>= 1;
            if low == 1 {
                crc ^= 0xedb8_8320;
            }
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::{crc32, gzip_stored};

    #[test]
    fn crc_of_the_check_string() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn stored_member_has_header_block_and_trailer() {
        assert_eq!(gzip_stored(b"hi").len(), 10 + 5 + 2 + 8);
        assert_eq!(gzip_stored(b"").len(), 10 + 5 + 8);
        assert_eq!(gzip_stored(&vec![0; 70_000]).len(), 10 + 2 * 5 + 70_000 + 8);
    }
}
