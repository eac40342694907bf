//! Which network addresses the gateway may dial.
//!
//! The check runs on the address that is dialled, after name resolution, so that neither a name,
//! nor a second answer of the resolver, nor a spelling of an address can lead it elsewhere.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether private networks may be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Only addresses of the public internet.
    Public,
    /// Also loopback, private, shared (carrier-grade NAT) and unique local addresses.
    Private,
}

impl Reach {
    /// True when `address` may be dialled.
    pub(crate) fn allows(self, address: IpAddr) -> bool {
        match zone(address) {
            Zone::Public => true,
            Zone::Private => self == Self::Private,
            Zone::Never => false,
        }
    }
}

/// What kind of network an address belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    Public,
    Private,
    /// Link-local with the metadata services, multicast, unspecified, reserved, documentation.
    Never,
}

fn zone(address: IpAddr) -> Zone {
    match address {
        IpAddr::V4(address) => zone_v4(address),
        IpAddr::V6(address) => zone_v6(address),
    }
}

/// Network, prefix length in bits, zone; the first match decides.
const NETWORKS_V4: &[(Ipv4Addr, u32, Zone)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, Zone::Never),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Zone::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Zone::Private),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Zone::Private),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Zone::Never),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Zone::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Zone::Never),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Zone::Never),
    (Ipv4Addr::new(192, 31, 196, 0), 24, Zone::Never),
    (Ipv4Addr::new(192, 52, 193, 0), 24, Zone::Never),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Zone::Never),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Zone::Private),
    (Ipv4Addr::new(192, 175, 48, 0), 24, Zone::Never),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Zone::Never),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Zone::Never),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Zone::Never),
    (Ipv4Addr::new(224, 0, 0, 0), 4, Zone::Never),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Zone::Never),
    // Cloud services that live outside link-local: Azure's wire server, Alibaba's metadata is in 100.64/10.
    (Ipv4Addr::new(168, 63, 129, 16), 32, Zone::Never),
];

/// Alibaba Cloud's metadata service, inside the shared range that a private reach opens.
const METADATA_SHARED: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);

fn zone_v4(address: Ipv4Addr) -> Zone {
    if address == METADATA_SHARED {
        return Zone::Never;
    }
    let bits = address.to_bits();
    for &(network, prefix_bits, zone) in NETWORKS_V4 {
        let shift = 32_u32.saturating_sub(prefix_bits);
        if bits.checked_shr(shift) == network.to_bits().checked_shr(shift) {
            return zone;
        }
    }
    Zone::Public
}

/// Where an IPv6 address of a translation network keeps its IPv4 address.
#[derive(Debug, Clone, Copy)]
enum Rule {
    Is(Zone),
    /// The IPv4 address that many bits from the right end decides.
    Embeds(u32),
}

/// EC2's metadata service over IPv6, inside the unique local range that a private reach opens.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
/// Google Cloud's metadata service over IPv6.
const METADATA_V6_GOOGLE: Ipv6Addr = Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254);

/// Network, prefix length in bits, rule; the first match decides.
const NETWORKS_V6: &[(Ipv6Addr, u32, Rule)] = &[
    (METADATA_V6, 128, Rule::Is(Zone::Never)),
    (METADATA_V6_GOOGLE, 128, Rule::Is(Zone::Never)),
    (Ipv6Addr::UNSPECIFIED, 128, Rule::Is(Zone::Never)),
    (Ipv6Addr::LOCALHOST, 128, Rule::Is(Zone::Private)),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, Rule::Embeds(0)),
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, Rule::Embeds(0)),
    // Local-use translation: where the IPv4 address stands depends on the operator's prefix length.
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, Rule::Is(Zone::Never)),
    // The deprecated IPv4-compatible addresses are here; the rest of ::/8 is reserved.
    (Ipv6Addr::UNSPECIFIED, 8, Rule::Is(Zone::Never)),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, Rule::Is(Zone::Never)),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, Rule::Is(Zone::Never)),
    (
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
        32,
        Rule::Is(Zone::Never),
    ),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, Rule::Embeds(80)),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Rule::Is(Zone::Never)),
    (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3, Rule::Is(Zone::Public)),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Rule::Is(Zone::Private)),
    // Everything else (link-local, site-local, multicast, unassigned) falls through to `Never`.
];

fn zone_v6(address: Ipv6Addr) -> Zone {
    let bits = address.to_bits();
    for &(network, prefix_bits, rule) in NETWORKS_V6 {
        let shift = 128_u32.saturating_sub(prefix_bits);
        if bits.checked_shr(shift) != network.to_bits().checked_shr(shift) {
            continue;
        }
        return match rule {
            Rule::Is(zone) => zone,
            Rule::Embeds(from_right_bits) => zone_v4(embedded_v4(bits, from_right_bits)),
        };
    }
    Zone::Never
}

fn embedded_v4(bits: u128, from_right_bits: u32) -> Ipv4Addr {
    let low = bits.checked_shr(from_right_bits).unwrap_or(0) & u128::from(u32::MAX);
    // The mask leaves 32 bits, so the conversion cannot fail; were it to, the answer is denied.
    u32::try_from(low).map_or(Ipv4Addr::UNSPECIFIED, Ipv4Addr::from_bits)
}
