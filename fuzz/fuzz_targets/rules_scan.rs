//! Any text is scanned by all shipped rules within its budget, and hits lie on characters.

#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use testudo_detect::{Budget, Detector, Scope, Selection, resolve};
use testudo_types::{Direction, Origin, ThreatKind};

static SELECTION: LazyLock<Selection> = LazyLock::new(|| {
    let detector = Arc::new(Detector::builtin().expect("the shipped packs load"));
    let kinds = ThreatKind::ALL.into_iter().collect();
    detector.select(&Scope {
        direction: Direction::Request,
        origin: Origin::Document,
        kinds,
    })
});

fuzz_target!(|text: &str| {
    let scan = SELECTION.scan(text, &mut Budget::new(1 << 24));
    for hit in &scan.hits {
        assert!(hit.start < hit.end && text.get(hit.start..hit.end).is_some());
    }
    let places = resolve(&scan.hits, SELECTION.rules());
    assert!(places.windows(2).all(|pair| pair[0].end <= pair[1].start));
});
