//! The addresses of any text lie in it, in order, and each can be read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_detect::structure::links::find;

fuzz_target!(|text: &str| {
    let links = find(text);
    for link in &links {
        assert!(text.get(link.range.clone()).is_some());
        assert!(text.get(link.url_range.clone()).is_some_and(|url| !url.is_empty()));
        assert!(link.range.start <= link.url_range.start && link.url_range.end <= link.range.end);
        let _url = link.parsed();
    }
    assert!(
        links
            .windows(2)
            .all(|pair| pair[0].url_range.start <= pair[1].url_range.start)
    );
});
