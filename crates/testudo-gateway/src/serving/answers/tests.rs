//! Which version a text means.

use proptest::prelude::*;

use super::*;

const ID: &str = "874230e7607febb0eef0f409bd266cab2267a578b2f12a5c41ed2ad913b28383";

#[test]
fn versions_are_meant_by_paths_and_by_the_list() {
    let version = |text: &str| VersionBeginning::parse(text).unwrap();
    let means = BTreeMap::from([("sha256:a80c4f17".to_owned(), version("874230e7"))]);
    for (said, expected) in [
        (ID, Some(ID)),
        ("a80c4f17", Some("874230e7")),
        ("sha256:a80c4f17", Some("874230e7")),
        ("/srv/models/llama-874230e7607f", Some("874230e7607f")),
        ("/srv/models/llama@874230e7607f/", Some("874230e7607f")),
        // Short, upper case, of other parts of the path, within a word, or two at once: names nothing.
        ("/srv/models/llama-874230e7", None),
        ("/srv/models/llama-874230E7607F", None),
        ("/srv/874230e7607f/llama", None),
        ("/srv/x874230e7607f", None),
        ("/srv/874230e7607f-32cc3b45e325", None),
        ("a80c4f1", None),
        ("", None),
        ("/", None),
    ] {
        assert_eq!(meant(said, &means), expected.map(version), "{said}");
    }
}

proptest! {
    #[test]
    fn what_is_meant_is_said(said in "[ -~]{0,80}") {
        if let Some(version) = meant(&said, &BTreeMap::new()) {
            prop_assert!(said.contains(version.as_str()));
            prop_assert!(version.as_str().len() >= DIGITS_MIN);
        }
    }

    #[test]
    fn a_path_that_ends_with_an_id_means_it(beginning in "(/[a-z]{1,8}){0,4}", digits in 12usize..64) {
        let path = format!("{beginning}/{}", ID.split_at(digits).0);
        prop_assert_eq!(meant(&path, &BTreeMap::new()), VersionBeginning::parse(ID.split_at(digits).0).ok());
    }
}
