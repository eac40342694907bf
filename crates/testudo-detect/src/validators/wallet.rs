//! Addresses and keys of crypto currencies: base58check, bech32 and EIP-55.

use sha2::{Digest as _, Sha256};
use sha3::Keccak256;

/// Longest base58 text that is decoded; extended keys have 111 characters.
const BASE58_LEN_MAX: usize = 120;

/// Base58 whose last four bytes are the start of the double SHA-256 of the others.
pub(super) fn base58check(text: &str) -> bool {
    let Some(bytes) = decode_base58(text) else { return false };
    let Some((payload, check)) = bytes.split_last_chunk::<4>() else {
        return false;
    };
    let digest = Sha256::digest(Sha256::digest(payload));
    payload.len() >= 21 && digest.starts_with(check)
}

/// The bytes of a base58 text, leading zeros included.
fn decode_base58(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &str = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    if text.len() > BASE58_LEN_MAX {
        return None;
    }
    // Little-endian while it grows.
    let mut bytes: Vec<u8> = Vec::new();
    for character in text.chars() {
        let mut carry = u32::try_from(ALPHABET.find(character)?).ok()?;
        for byte in &mut bytes {
            carry = u32::from(*byte).checked_mul(58)?.checked_add(carry)?;
            *byte = u8::try_from(carry & 0xff).ok()?;
            carry >>= 8_u32;
        }
        if carry > 0 {
            bytes.push(u8::try_from(carry).ok()?);
        }
    }
    bytes.extend(text.chars().take_while(|c| *c == '1').map(|_| 0));
    bytes.reverse();
    Some(bytes)
}

/// Bech32 or bech32m, any human-readable part, in one case only.
pub(super) fn bech32(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let one_case = lower == text || text.to_ascii_uppercase() == text;
    let Some((human, data)) = lower.rsplit_once('1') else {
        return false;
    };
    let Some(values) = data.chars().map(bech32_value).collect::<Option<Vec<u32>>>() else {
        return false;
    };
    let high = human.bytes().map(|byte| u32::from(byte >> 5_u32));
    let low = human.bytes().map(|byte| u32::from(byte & 31));
    let check = polymod(high.chain(std::iter::once(0)).chain(low).chain(values.iter().copied()));
    one_case && values.len() >= 6 && matches!(check, 1 | 0x2bc8_30a3)
}

/// The value of a bech32 character.
fn bech32_value(character: char) -> Option<u32> {
    u32::try_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l".find(character)?).ok()
}

/// The BCH checksum of BIP 173.
fn polymod(values: impl Iterator<Item = u32>) -> u32 {
    const GENERATORS: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    values.fold(1_u32, |check, value| {
        let top = check >> 25_u32;
        let shifted = ((check & 0x01ff_ffff) << 5_u32) ^ value;
        GENERATORS
            .iter()
            .enumerate()
            .filter(|(bit, _)| {
                top.checked_shr(u32::try_from(*bit).unwrap_or(0))
                    .is_some_and(|top| top & 1 == 1)
            })
            .fold(shifted, |check, (_, generator)| check ^ generator)
    })
}

/// An Ethereum address in mixed case whose capitals are the checksum of EIP-55.
pub(super) fn eip55(text: &str) -> bool {
    let address = text.trim_start_matches("0x");
    let lower = address.to_ascii_lowercase();
    let digest = Keccak256::digest(lower.as_bytes());
    let nibbles = digest.iter().flat_map(|byte| [byte >> 4_u32, byte & 15]);
    let mixed = lower != address && address.to_ascii_uppercase() != address;
    mixed
        && address.len() == 40
        && address
            .bytes()
            .zip(nibbles)
            .all(|(byte, nibble)| !byte.is_ascii_alphabetic() || byte.is_ascii_uppercase() == (nibble >= 8))
}
