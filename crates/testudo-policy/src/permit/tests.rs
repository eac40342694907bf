//! Tests of `permit`.

use super::Permit;

trait ClonableOrNot<Marker> {
    fn checked() {}
}

impl<T: ?Sized> ClonableOrNot<()> for T {}

struct Clonable;

impl<T: Clone> ClonableOrNot<Clonable> for T {}

#[test]
fn a_permit_cannot_be_copied() {
    // Were `Permit` to become `Clone`, this call would be ambiguous and not compile.
    <Permit as ClonableOrNot<_>>::checked();
}
