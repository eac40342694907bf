//! Entries read back as they were written, and nothing else is read.

mod refusals;
mod samples;

use proptest::prelude::*;

use super::{Body, DecodeError, ENTRY_BYTES_MAX, Entry, IndexRange, NUMBER_MAX, RangeError, Ranges};

#[test]
fn every_kind_reads_back() {
    let bodies = samples::bodies();
    let kinds: Vec<&str> = bodies.iter().map(Body::kind).collect();
    assert_eq!(kinds, Body::KINDS, "a sample for each kind, in order");
    for body in bodies {
        let entry = samples::entry(body);
        let bytes = entry.encode().unwrap();
        assert_eq!(Entry::decode(&bytes).unwrap(), entry);
        // Another reader of JSON sees the same members.
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(json["type"], entry.body.kind());
        assert_eq!(json["v"], 1);
        assert_eq!(json["at"], entry.at);
    }
}

/// The bytes are a promise to whoever keeps old logs; this test must never have to change.
#[test]
fn the_bytes_stay_as_they_are() {
    let check = |body: Body, expected: &str| {
        let bytes = samples::entry(body).encode().unwrap();
        assert_eq!(str::from_utf8(&bytes).unwrap(), expected);
    };
    let [exchange, _, decision, hold] = samples::bodies()
        .into_iter()
        .take(4)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    check(exchange, include_str!("tests/exchange.json").trim_end());
    check(
        decision,
        concat!(
            r#"{"at":1790000000123,"body":{"action":"block","policies":["tools"],"reasons":["label_conflict"],"#,
            r#""subject":"tool:send_mail","verdict":"deny"},"payload":{"bytes":42,"commitment":"#,
            r#""BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=","subject":"sub_03030303030303030303030303030303"},"#,
            r#""principal":"prn_02020202020202020202020202020202","tenant":"ten_01010101010101010101010101010101","#,
            r#""type":"decision","v":1}"#
        ),
    );
    let mut bare = samples::entry(hold);
    (bare.tenant, bare.principal, bare.payload) = (None, None, None);
    let expected = concat!(
        r#"{"at":1790000000123,"body":{"#,
        r#""argument_digest":"0909090909090909090909090909090909090909090909090909090909090909","#,
        r#""exchange":"ex_1","expires_at":1790000060000,"id":"hold_1","#,
        r#""policy_digest":"0909090909090909090909090909090909090909090909090909090909090909","#,
        r#""tool":"send \"mail\" \\ é"},"type":"hold","v":1}"#
    );
    assert_eq!(str::from_utf8(&bare.encode().unwrap()).unwrap(), expected);
}

#[test]
fn whatever_is_put_in_can_be_recorded() {
    for (mut entry, findings) in samples::oversized() {
        assert!(entry.encode().is_err());
        let bytes = entry.encode_clipped().unwrap();
        assert!(bytes.len() <= ENTRY_BYTES_MAX);
        assert_eq!(Entry::decode(&bytes).unwrap(), entry);
        if let Body::Exchange(exchange) = &entry.body {
            let kept = u64::try_from(exchange.findings.len()).unwrap();
            assert_eq!(kept + exchange.findings_omitted.unwrap_or(0), findings);
        }
    }
}

#[test]
fn ranges_are_checked() {
    let range = |first, last| IndexRange { first, last };
    assert!(Ranges::new(vec![range(0, 0), range(2, 5), range(7, NUMBER_MAX)]).is_ok());
    let check = |ranges: &[IndexRange], expected: RangeError| {
        assert_eq!(Ranges::new(ranges.to_vec()), Err(expected));
    };
    check(&[range(5, 4)], RangeError::Backwards { first: 5, last: 4 });
    check(&[range(0, 3), range(4, 5)], RangeError::Order { first: 4 });
    check(&[range(0, 3), range(3, 5)], RangeError::Order { first: 3 });
    check(&[range(8, 9), range(1, 2)], RangeError::Order { first: 1 });
    check(&[range(1, u64::MAX)], RangeError::TooGreat { last: u64::MAX });
    check(&vec![range(0, 0); 1501], RangeError::TooMany { count: 1501 });
}

proptest! {
    #[test]
    fn what_is_written_reads_back(entry in samples::any_entry()) {
        let bytes = entry.encode().unwrap();
        prop_assert_eq!(Entry::decode(&bytes).unwrap(), entry);
    }

    #[test]
    fn anything_can_be_recorded(mut entry in samples::any_oversized()) {
        let bytes = entry.encode_clipped().unwrap();
        prop_assert_eq!(Entry::decode(&bytes).unwrap(), entry);
    }

    /// Whatever is read spells itself the same way: no second spelling of anything gets in.
    #[test]
    fn what_reads_is_canonical(entry in samples::any_entry(), changes in samples::any_changes()) {
        let mut bytes = entry.encode().unwrap();
        for change in changes {
            change.apply(&mut bytes);
        }
        if let Ok(read) = Entry::decode(&bytes) {
            prop_assert_eq!(read.encode().unwrap(), bytes);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let read: Result<Entry, DecodeError> = Entry::decode(&bytes);
        prop_assert!(read.is_err());
    }

    #[test]
    fn joined_ranges_hold_what_was_joined(mut indexes in proptest::collection::vec(0..9000_u64, 0..5000)) {
        indexes.sort_unstable();
        indexes.dedup();
        let pieces = Ranges::join(indexes.iter().copied());
        let mut expanded = Vec::new();
        for piece in &pieces {
            prop_assert_eq!(&Ranges::new(piece.as_slice().to_vec()).unwrap(), piece);
            expanded.extend(piece.as_slice().iter().flat_map(|range| range.first..=range.last));
        }
        prop_assert_eq!(&expanded, &indexes);
        prop_assert_eq!(pieces.iter().map(Ranges::count).sum::<u64>(), indexes.len() as u64);
        for index in [0, 1, 17, 4500, 8999] {
            let held = pieces.iter().any(|piece| piece.contains(index));
            prop_assert_eq!(held, indexes.contains(&index));
        }
    }
}
