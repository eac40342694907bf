//! Configurations as a whole; the list of mistakes is in `tests/cmd`.

mod agents;
mod mcp;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::{ProptestConfig, prop_assert, proptest};
use testudo_detect::structure::spotlight::Style;

use super::*;

const MINIMAL: &str = "[upstreams.u]\nfamily = \"openai\"\nbase_url = \"practice\"\n[routes.r]\nupstream = \"u\"\n";

fn loaded(text: &str, variables: &BTreeMap<&str, &str>) -> Result<Configuration, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("testudo.toml");
    fs::write(&path, text).unwrap();
    load(&path, variables).map_err(|problems| {
        problems
            .iter()
            .map(|it| format!("{}: {}\n", it.line.unwrap_or(0), it.what))
            .collect()
    })
}

#[test]
fn the_example_file_is_sound() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("policies")).unwrap();
    fs::write(
        dir.path().join("testudo.toml"),
        include_str!("../../../../testudo.example.toml"),
    )
    .unwrap();
    let variables = BTreeMap::from([
        ("OPENAI_API_KEY", "k"),
        ("ANTHROPIC_API_KEY", "k"),
        ("SUPPORT_CANARIES", "rose-7319\nlily-2042"),
    ]);
    let loaded = load(&dir.path().join("testudo.toml"), &variables);
    assert!(loaded.is_ok(), "{loaded:?}");
}

#[test]
fn little_has_to_be_said() {
    let configuration = loaded(MINIMAL, &BTreeMap::new()).unwrap();
    let route = &configuration.settings.routes[0];
    assert_eq!(route.profile.name.as_str(), "balanced");
    assert!(!route.hosted_tools && !route.server_history);
    assert!(configuration.listen.address.ip().is_loopback());
    assert_eq!(
        configuration.settings.bounds,
        testudo_gateway::settings::Bounds::DEFAULT
    );
}

#[test]
fn what_tools_say_is_marked_where_a_route_says_so() {
    let with = |value: &str| loaded(&format!("{MINIMAL}spotlight = \"{value}\"\n"), &BTreeMap::new());
    let style = |value: &str| with(value).unwrap().settings.routes[0].spotlight;
    assert_eq!(style("off"), None);
    assert_eq!(style("delimit"), Some(Style::Delimit));
    assert_eq!(style("datamark"), Some(Style::Datamark));
    assert!(with("delimiters").unwrap_err().contains("cannot be `delimiters`"));
}

#[test]
fn what_is_allowed_is_checked_and_inherited() {
    let profile = "[profiles.p]\nextends = \"balanced\"\nplaceholder = \"typed\"\n";
    let with = |allow: &str| {
        let text = MINIMAL.replace("upstream = \"u\"", "upstream = \"u\"\nprofile = \"p\"");
        loaded(
            &format!("{text}{profile}[[profiles.p.allow]]\n{allow}\n"),
            &BTreeMap::new(),
        )
    };
    let route = |allow: &str| Arc::clone(&with(allow).unwrap().settings.routes[0]);
    let sound = route("rule = \"pii.email\"\nhost = \"acme.example\"\nreason = \"ours\"");
    assert_eq!(sound.profile.placeholder.as_str(), "typed");
    assert_eq!(sound.profile.allow[0].rules, ["pii.email"]);
    assert_eq!(sound.profile.allow[0].line, Some(10));
    for (allow, what) in [
        ("rule = \"pii.email\"", "exactly one of"),
        (
            "rule = \"pii.email\"\nvalue = \"a@b.c\"\nhost = \"b.c\"",
            "exactly one of",
        ),
        ("rule = \"pii.email\"\nsha256 = \"abc\"", "64 hexadecimal digits"),
        (
            "rule = \"pii.email\"\nvalues = \"abcdef\"\nvalue = \"abcdef\"",
            "is not a setting",
        ),
    ] {
        let problems = with(allow).unwrap_err();
        assert!(problems.contains(what), "{allow}: {problems}");
    }
    let digest = "0".repeat(64);
    let keyed = format!("rule = \"pii.email\"\nhmac_sha256 = \"{digest}\"");
    assert!(with(&keyed).unwrap_err().contains("needs a key"));
}

#[test]
fn values_arrive_in_their_units() {
    let text = format!(
        "{MINIMAL}limits = {{ requests_per_minute = 6, cost_per_day = \"1.5 USD\" }}\n\
         [prices.\"m-1\"]\ninput = 0.15\noutput = \"0.6\"\n[bounds]\nrequest_bytes_max = \"2 MiB\"\ndrain = \"5s\"\n"
    );
    let settings = loaded(&text, &BTreeMap::new()).unwrap().settings;
    assert_eq!(settings.routes[0].limits.requests_per_minute, Some(6));
    assert_eq!(settings.routes[0].limits.cost_micros_per_day, Some(1_500_000));
    let price = settings.prices.values().next().unwrap();
    assert_eq!(
        (price.input_micros_per_mtok, price.output_micros_per_mtok),
        (150_000, 600_000)
    );
    assert_eq!(
        (settings.bounds.request_bytes_max, settings.bounds.drain_ms),
        (2 << 20, 5000)
    );
}

#[test]
fn secrets_come_from_private_files_and_are_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("testudo.toml");
    let secret = dir.path().join("key");
    fs::write(
        &path,
        MINIMAL.replace("base_url", "secret = { file = \"key\" }\nbase_url"),
    )
    .unwrap();
    fs::write(&secret, "very-secret\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let problems = load(&path, &BTreeMap::new()).unwrap_err();
    assert!(problems[0].remedy.starts_with("run `chmod 600"), "{problems:?}");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let configuration = load(&path, &BTreeMap::new()).unwrap();
    let upstream = configuration.settings.upstreams.values().next().unwrap();
    assert_eq!(upstream.secret.as_ref().unwrap().expose(), b"very-secret");
    assert!(configuration.files.contains(&secret));
    assert!(!format!("{configuration:?}").contains("very-secret"));

    let inline = loaded(
        &MINIMAL.replace("base_url", "secret = \"very-secret\"\nbase_url"),
        &BTreeMap::new(),
    );
    let said = inline.unwrap_err();
    assert!(
        said.contains("written into the configuration") && !said.contains("very-secret"),
        "{said}"
    );
}

#[test]
fn authorities_of_an_upstream_come_from_a_file_that_is_watched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("testudo.toml");
    let text = MINIMAL.replace("practice", "https://models.internal");
    fs::create_dir(dir.path().join("tls")).unwrap();
    let file = dir.path().join("tls/ca.pem");
    let load_with = |setting: &str, text: &str| {
        fs::write(&path, text.replace("base_url", &format!("{setting}\nbase_url"))).unwrap();
        load(&path, &BTreeMap::new())
    };
    let setting = "authorities = \"tls/ca.pem\"";
    let refused = |setting: &str, text: &str| -> String {
        let problems = load_with(setting, text).unwrap_err();
        assert_eq!((problems.len(), problems[0].line), (1, Some(3)), "{problems:?}");
        problems[0].to_string()
    };
    assert!(refused(setting, &text).contains("the authorities of upstream `u`: cannot open"));
    for empty in ["", "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n"] {
        fs::write(&file, empty).unwrap();
        assert!(refused(setting, &text).contains("it holds no PEM certificate"));
    }
    assert!(refused("authorities = true", &text).contains("write a text in quotes"));
    assert!(refused("authorities = \"tls\"", &text).contains("cannot read"));

    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    fs::write(&file, certificate.pem()).unwrap();
    let configuration = load_with(setting, &text).unwrap();
    let upstream = configuration.settings.upstreams.values().next().unwrap();
    assert!(upstream.authorities.is_some() && configuration.files.contains(&file));
    for plain in ["practice", "http://models.internal"] {
        assert!(refused(setting, &MINIMAL.replace("practice", plain)).contains("verify nothing"));
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(refused(setting, &text).contains("everyone may change this file"));
}

#[test]
fn r12_nothing_is_exposed_without_a_word() {
    let listen = |listen: &str| {
        loaded(
            &format!("{MINIMAL}[listen]\n{listen}\n"),
            &BTreeMap::from([("T", "0123456789012345678901234567890123456789"), ("W", "weak")]),
        )
    };
    for (exposed, why) in [
        ("address = \"0.0.0.0:1\"\nhosts = [\"h\"]", "in the clear"),
        ("address = \"[::]:1\"\nhosts = [\"h\"]", "in the clear"),
        ("address = \"0.0.0.0:1\"\ndangerous_plaintext = true", "names no host"),
        ("admin = \"0.0.0.0:1\"", "no `listen.admin_token`"),
        (
            "admin = \"0.0.0.0:1\"\nadmin_token = { env = \"W\" }",
            "the token has 4 bytes",
        ),
        ("admin_token = { env = \"T\" }", "protects nothing"),
        ("dangerous_plaintext = true", "no effect"),
    ] {
        let said = listen(exposed).unwrap_err();
        assert!(said.contains(why), "{exposed}: {said}");
    }
    assert!(listen("address = \"0.0.0.0:1\"\nhosts = [\"h\"]\ndangerous_plaintext = true\nadmin = \"0.0.0.0:2\"\nadmin_token = { env = \"T\" }").is_ok());
}

#[test]
fn r17_a_control_that_is_bound_to_nothing_refuses_the_start() {
    for (unbound, why) in [
        ("[profiles.p]\nextends = \"strict\"", "the profile `p` guards no route"),
        (
            "[upstreams.v]\nfamily = \"openai\"\nbase_url = \"practice\"",
            "the upstream `v` is used by no route",
        ),
        ("[policies]\nfiles = [\"none/*.cedar\"]", "no policy file matches"),
        ("[policies]\nfiles = [\"none.cedar\"]", "cannot open"),
        (
            "[profiles.p]\nextends = \"strict\"\n[profiles.q]\nextends = \"p\"",
            "the profile `p` guards no route",
        ),
    ] {
        let said = loaded(&format!("{MINIMAL}{unbound}\n"), &BTreeMap::new()).unwrap_err();
        assert!(said.contains(why), "{unbound}: {said}");
    }
    let based = "profile = \"q\"\n[profiles.p]\nextends = \"strict\"\n[profiles.q]\nextends = \"p\"\n";
    assert!(loaded(&format!("{MINIMAL}{based}"), &BTreeMap::new()).is_ok());
}

#[test]
fn every_shipped_profile_can_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("testudo.toml");
    let mut text = "[upstreams.u]\nfamily = \"anthropic\"\nbase_url = \"practice\"\n".to_owned();
    for name in ["observe", "balanced", "strict"] {
        text.push_str(&format!(
            "[routes.{name}]\nprefix = \"/{name}\"\nupstream = \"u\"\nprofile = \"{name}\"\n"
        ));
    }
    fs::write(&path, text).unwrap();
    let proven = prove(&path, &BTreeMap::new()).unwrap();
    assert!(proven.policies.values().all(|policies| !policies.is_empty()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_text_panics_and_damage_is_reported(cut in 0usize..2000, insert in "\\PC{0,3}|[\\[\\]={}\"#\n]{0,3}") {
        let example = include_str!("../../../../testudo.example.toml");
        let at = (0..=cut.min(example.len())).rev().find(|at| example.is_char_boundary(*at)).unwrap();
        let (before, after) = example.split_at(at);
        let mut problems = Problems::new("t");
        let text = format!("{before}{insert}{after}");
        let _typed = Typed::read(&text, &mut problems);
        let lines = text.lines().count();
        for problem in problems.into_sorted() {
            prop_assert!(problem.line.is_none_or(|line| line <= lines.saturating_add(1)), "{problem}");
        }
    }
}
