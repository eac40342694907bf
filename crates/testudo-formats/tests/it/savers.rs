//! What releases of libraries write that no longer are current.

use testudo_formats::{Options, Verdict, scan};

fn verdict(pickle: &[u8]) -> Verdict {
    scan(&pickle, "x.pkl", &Options::default()).verdict
}

#[test]
fn losses_of_scikit_learn_before_1_6_are_modules_of_the_top_level() {
    let made = b"c_loss\n__pyx_unpickle_CyHalfGammaLoss\n(c_loss\nCyHalfGammaLoss\nI238750788\n)tR.";
    assert_eq!(verdict(made), Verdict::Allowed);
    for other in [
        &b"c_loss\nsystem\n(S'x'\ntR."[..],
        b"c_loss\n__pyx_unpickle_CyHalfGammaLoss\n(cos\nsystem\nI238750788\n)tR.",
        b"closs\n__pyx_unpickle_CyHalfGammaLoss\n(c_loss\nCyHalfGammaLoss\nI238750788\n)tR.",
    ] {
        assert!(verdict(other) >= Verdict::Unknown, "{}", String::from_utf8_lossy(other));
    }
}
