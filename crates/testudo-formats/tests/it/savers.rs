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

#[test]
fn ordered_dictionaries_of_python_2_are_made_of_a_list_of_pairs() {
    // Of `[['a', OrderedDict()]]`.
    let made = b"\x80\x02ccollections\nOrderedDict\n](](U\x01accollections\nOrderedDict\n)Ree\x85R}U\x09_metadata}sb.";
    assert_eq!(verdict(made), Verdict::Allowed);
    for other in [
        // Not a list, and one that names what is on no list.
        &b"\x80\x02ccollections\nOrderedDict\nccollections\nOrderedDict\n\x85R."[..],
        b"\x80\x02ccollections\nOrderedDict\n](](U\x01acos\nsystem\nee\x85R.",
        b"\x80\x02ccollections\nOrderedDict\n](](U\x01acmine\nMine\n)Ree\x85R.",
    ] {
        assert!(verdict(other) >= Verdict::Unknown, "{}", String::from_utf8_lossy(other));
    }
}

#[test]
fn modules_of_scikit_learn_before_0_22_are_those_of_today() {
    let made = |module: &str, name: &str| {
        let named = format!("c{module}\n{name}\n");
        [&b"\x80\x02"[..], named.as_bytes(), b")\x81}U\x01cK\x01sb."].concat()
    };
    for (module, name) in [
        ("sklearn.svm.classes", "LinearSVC"),
        ("sklearn.svm._classes", "LinearSVC"),
        ("sklearn.tree.tree", "DecisionTreeClassifier"),
        ("sklearn.preprocessing.label", "LabelEncoder"),
    ] {
        assert_eq!(verdict(&made(module, name)), Verdict::Allowed, "{module}");
    }
    for (module, name) in [
        ("sklearn.svm.classes", "Other"),
        ("sklearn.svm.classes.x", "LinearSVC"),
        ("sklearn.svm.class", "LinearSVC"),
        ("sklearn.tree.export", "export_graphviz"),
    ] {
        assert!(verdict(&made(module, name)) >= Verdict::Unknown, "{module}");
    }
}
