//! MCP servers in a configuration: what is taken, and every mistake that is found.

use std::collections::BTreeMap;

use testudo_gateway::settings::{McpTransport, Trust};

use super::loaded;

const MAIL: &str = "[[mcp.server]]\nname = \"mail\"\nurl = \"https://mail.example.com/mcp\"\n";

#[test]
fn servers_are_enough_to_be_served() {
    let text = format!(
        "{MAIL}secret = {{ env = \"TOKEN\" }}\n[[mcp.server]]\nname = \"notes\"\ncommand = \"/bin/sh\"\nargs = [\"-c\", \"x\"]\n\
         env = {{ A = \"b\", C = {{ env = \"TOKEN\" }} }}\ntools = [\"read\", \"search*\"]\nresults = \"own\"\n\
         asks = [\"elicitation\"]\nprofile = \"strict\"\nlimits = {{ requests_per_minute = 5 }}\n"
    );
    let configuration = loaded(&text, &BTreeMap::from([("TOKEN", "t")])).unwrap();
    let mcp = configuration.settings.mcp.unwrap();
    assert_eq!((mcp.path.as_str(), mcp.servers.len()), ("/mcp", 2));
    let [mail, notes] = mcp.servers.as_slice() else {
        panic!()
    };
    assert_eq!(
        (mail.route.name.as_str(), mail.route.profile.name.as_str()),
        ("mcp.mail", "tools")
    );
    assert!(mail.allows("anything") && mail.asks.is_none() && mail.results == Trust::ThirdParty);
    assert!(notes.allows("read") && notes.allows("search_all") && !notes.allows("reads") && !notes.allows("send"));
    assert!(notes.asks.elicitation && !notes.asks.sampling && notes.results == Trust::Own);
    assert_eq!(notes.route.profile.name.as_str(), "strict");
    assert_eq!(notes.route.limits.requests_per_minute, Some(5));
    let McpTransport::Stdio(program) = &notes.transport else {
        panic!()
    };
    assert_eq!(program.env.keys().collect::<Vec<_>>(), ["A", "C"]);
}

#[test]
fn every_mistake_is_found() {
    let notes = "[[mcp.server]]\nname = \"notes\"\ncommand = \"/bin/sh\"\n";
    for (text, what) in [
        (
            "[mcp]\npath = \"/mcp\"\n[routes.r]\n".to_owned(),
            "no MCP server behind",
        ),
        (format!("[mcp]\npath = \"mcp\"\n{MAIL}"), "`mcp.path` cannot be"),
        (format!("[mcp]\npath = \"/a/../b\"\n{MAIL}"), "`mcp.path` cannot be"),
        (format!("[mcp]\npath = \"/mcp/\"\n{MAIL}"), "`mcp.path` cannot be"),
        (
            "[[mcp.server]]\nurl = \"https://a.example/mcp\"\n".to_owned(),
            "`mcp.server.name` is missing",
        ),
        (MAIL.replace("\"mail\"", "\"Mail\""), "lower-case letters"),
        (MAIL.replace("\"mail\"", "\"ma--il\""), "lower-case letters"),
        (MAIL.replace("\"mail\"", "\"ma_il\""), "lower-case letters"),
        (format!("{MAIL}{MAIL}"), "two MCP servers called `mail`"),
        ("[[mcp.server]]\nname = \"a\"\n".to_owned(), "a url or a command"),
        (format!("{MAIL}command = \"/bin/sh\"\n"), "a url or a command"),
        (format!("{MAIL}args = [\"x\"]\n"), "`args` has no use"),
        (format!("{MAIL}env = {{ A = \"b\" }}\n"), "`env` has no use"),
        (MAIL.replace("https://mail.example.com/mcp", "mail"), "is not a URL"),
        (format!("{MAIL}secret = \"token\"\n"), "written into the configuration"),
        (format!("{MAIL}secret = {{ env = \"NOBODY\" }}\n"), "not set"),
        (
            format!("{notes}secret = {{ env = \"TOKEN\" }}\n"),
            "`secret` has no use",
        ),
        (format!("{notes}allow_private = true\n"), "`allow_private` has no use"),
        (format!("{notes}env = {{ \"A B\" = \"c\" }}\n"), "no name of a variable"),
        (format!("{notes}env = {{ A = 7 }}\n"), "cannot be a number"),
        (format!("{notes}env = {{ A = {{ env = \"NOBODY\" }} }}\n"), "not set"),
        (notes.replace("/bin/sh", "sh"), "looked for in no folder"),
        (notes.replace("/bin/sh", "/nonexistent/sh"), "is not there"),
        (format!("{MAIL}tools = []\n"), "without tools"),
        (format!("{MAIL}tools = [\"a*b\"]\n"), "names no tools"),
        (format!("{MAIL}tools = [\"\"]\n"), "names no tools"),
        (format!("{MAIL}results = \"mine\"\n"), "`results` cannot be"),
        (format!("{MAIL}asks = [\"everything\"]\n"), "cannot ask for"),
        (format!("{MAIL}profile = \"none\"\n"), "guards nothing"),
        (format!("{MAIL}profile = \"nobody\"\n"), "guards nothing"),
        (
            format!("{MAIL}limits = {{ tokens_per_minute = 1 }}\n"),
            "limits nothing",
        ),
        (
            format!("{MAIL}timeouts = {{ total = \"1s\", first_byte = \"2s\" }}\n"),
            "shorter than",
        ),
        (format!("{MAIL}tool = [\"a\"]\n"), "is not a setting"),
        (format!("[mcp]\nport = 1\n{MAIL}"), "is not a setting"),
        ("[mcp]\nserver = \"mail\"\n".to_owned(), "cannot be a text"),
    ] {
        let variables = BTreeMap::from([("TOKEN", "t")]);
        let problems = loaded(&text, &variables)
            .err()
            .unwrap_or_else(|| panic!("{text} was taken"));
        assert!(problems.contains(what), "{text}: {problems}");
    }
}
