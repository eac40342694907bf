//! Tests of the dial list.

use proptest::prelude::*;

use super::*;

/// Address, allowed publicly, allowed when private networks are.
const TABLE: &[(&str, bool, bool)] = &[
    ("8.8.8.8", true, true),
    ("1.1.1.1", true, true),
    ("104.18.7.192", true, true),
    ("172.15.255.255", true, true),
    ("172.32.0.1", true, true),
    ("100.63.255.255", true, true),
    ("100.128.0.1", true, true),
    ("198.17.255.255", true, true),
    ("198.20.0.1", true, true),
    ("223.255.255.255", true, true),
    ("192.0.1.1", true, true),
    ("0.0.0.0", false, false),
    ("0.1.2.3", false, false),
    ("10.0.0.1", false, true),
    ("10.255.255.255", false, true),
    ("100.64.0.1", false, true),
    ("100.127.255.255", false, true),
    ("100.100.100.200", false, false),
    ("127.0.0.1", false, true),
    ("127.255.255.254", false, true),
    ("168.63.129.16", false, false),
    ("169.254.0.1", false, false),
    ("169.254.169.254", false, false),
    ("169.254.170.2", false, false),
    ("172.16.0.1", false, true),
    ("172.31.255.255", false, true),
    ("192.0.0.1", false, false),
    ("192.0.0.192", false, false),
    ("192.0.2.1", false, false),
    ("192.88.99.1", false, false),
    ("192.168.0.1", false, true),
    ("192.168.255.255", false, true),
    ("198.18.0.1", false, false),
    ("198.19.255.255", false, false),
    ("198.51.100.1", false, false),
    ("203.0.113.1", false, false),
    ("224.0.0.1", false, false),
    ("239.255.255.255", false, false),
    ("240.0.0.1", false, false),
    ("255.255.255.255", false, false),
    ("2606:4700::1111", true, true),
    ("2001:4860:4860::8888", true, true),
    ("2a00:1450:4001:831::200e", true, true),
    ("::", false, false),
    ("::1", false, true),
    ("::2", false, false),
    ("::127.0.0.1", false, false),
    ("::8.8.8.8", false, false),
    ("::ffff:8.8.8.8", true, true),
    ("::ffff:127.0.0.1", false, true),
    ("::ffff:10.0.0.1", false, true),
    ("::ffff:169.254.169.254", false, false),
    ("::ffff:0.0.0.0", false, false),
    ("::ffff:100.64.0.1", false, true),
    ("::ffff:0:8.8.8.8", false, false),
    ("64:ff9b::8.8.8.8", true, true),
    ("64:ff9b::127.0.0.1", false, true),
    ("64:ff9b::10.0.0.1", false, true),
    ("64:ff9b::169.254.169.254", false, false),
    ("64:ff9b:1::8.8.8.8", false, false),
    ("64:ff9b:1::10.0.0.1", false, false),
    ("64:ff9b:1:a9fe:a9:fe00::", false, false),
    ("64:ff9b:2::1", false, false),
    ("100::1", false, false),
    ("2001::1", false, false),
    ("2001:0:4136:e378:8000:63bf:3fff:fdd2", false, false),
    ("2001:10::1", false, false),
    ("2001:20::1", false, false),
    ("2001:db8::1", false, false),
    ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", false, false),
    ("2002:808:808::1", true, true),
    ("2002:7f00:1::1", false, true),
    ("2002:a00:1::1", false, true),
    ("2002:a9fe:a9fe::1", false, false),
    ("2002:e000:1::", false, false),
    ("3fff::1", false, false),
    ("4000::1", false, false),
    ("5f00::1", false, false),
    ("fc00::1", false, true),
    ("fd12:3456:789a::1", false, true),
    ("fdff:ffff::1", false, true),
    ("fd00:ec2::254", false, false),
    ("fd20:ce::254", false, false),
    ("fe00::1", false, false),
    ("fe80::1", false, false),
    ("febf::1", false, false),
    ("fec0::1", false, false),
    ("feff::1", false, false),
    ("ff00::1", false, false),
    ("ff02::1", false, false),
    ("ff0e::1", false, false),
];

#[test]
fn r10_dial_time_address_check() {
    assert!(TABLE.len() >= 60);
    for &(text, public, private) in TABLE {
        let address: IpAddr = text.parse().unwrap();
        assert_eq!(Reach::Public.allows(address), public, "{text} with a public reach");
        assert_eq!(Reach::Private.allows(address), private, "{text} with a private reach");
    }
}

proptest! {
    #[test]
    fn a_disguised_address_is_never_allowed_more_than_itself(bits in any::<u32>()) {
        let plain = Ipv4Addr::from_bits(bits);
        let low = u128::from(bits);
        let mapped = Ipv6Addr::from_bits(low | (0xffff << 32));
        let translated = Ipv6Addr::from_bits(low | (0x0064_ff9b << 96));
        let six_to_four = Ipv6Addr::from_bits((0x2002 << 112) | (low << 80) | 1);
        for reach in [Reach::Public, Reach::Private] {
            let expected = reach.allows(IpAddr::V4(plain));
            for disguise in [mapped, translated, six_to_four] {
                prop_assert_eq!(reach.allows(IpAddr::V6(disguise)), expected, "{}", disguise);
            }
        }
    }

    #[test]
    fn a_public_reach_allows_no_address_that_the_standard_library_calls_local(bits in any::<u32>()) {
        let address = Ipv4Addr::from_bits(bits);
        if Reach::Public.allows(IpAddr::V4(address)) {
            prop_assert!(!address.is_private() && !address.is_loopback() && !address.is_link_local());
            prop_assert!(!address.is_multicast() && !address.is_unspecified() && !address.is_broadcast());
            prop_assert!(!address.is_documentation());
        }
    }
}
