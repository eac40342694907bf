//! MCP servers of a configuration, built and proven with the rest of it.

use std::sync::Arc;

use testudo_bounded::json::Limits;

use super::{BuildProblem, Judges, Plans, allow_list, dead_guards, digest_of_route, hash};
use crate::mcp::{Server, Servers};
use crate::settings::{McpServer, McpSettings, McpTransport, Settings, Trust};
use crate::upstream::{ClientProblem, ExactClient};

impl Plans<'_> {
    /// Every server that can be used; what cannot is in `problems`.
    pub(super) fn servers(
        &self,
        mcp: &McpSettings,
        settings: &Settings,
        judges: &Judges,
        problems: &mut Vec<BuildProblem>,
    ) -> Servers {
        same_paths(mcp, settings, problems);
        let mut servers = Vec::with_capacity(mcp.servers.len());
        for one in &mcp.servers {
            dead_guards(&one.route.profile, false, self.detector, problems);
            match self.server(one, settings, judges, problems) {
                Ok(server) => servers.push(Arc::new(server)),
                Err(problem) => problems.push(BuildProblem::Upstream(problem)),
            }
        }
        let digests: Vec<&[u8]> = servers.iter().map(|server| server.digest.as_slice()).collect();
        let digest = hash(&[&[mcp.path.as_bytes()], digests.as_slice()].concat());
        Servers::new(mcp, servers, digest)
    }

    fn server(
        &self,
        settings: &Arc<McpServer>,
        all: &Settings,
        judges: &Judges,
        problems: &mut Vec<BuildProblem>,
    ) -> Result<Server, ClientProblem> {
        let allow = allow_list(&settings.route, self.detector, problems);
        let route = digest_of_route(&settings.route, &allow, judges);
        let own = lines(settings);
        let bounds = &all.bounds;
        let limits = Limits {
            bytes_max: bounds.response_bytes_max,
            depth_max: bounds.json_depth_max,
            nodes_max: bounds.json_nodes_max,
        };
        let client = match &settings.transport {
            McpTransport::Http(upstream) => Some(ExactClient::new(upstream, bounds.response_bytes_max)?),
            McpTransport::Stdio(_) => None,
        };
        let digest = hash(&[route.as_slice(), own.as_bytes()]);
        Ok(Server::new(
            settings,
            self.guards(&settings.route, &allow),
            digest,
            limits,
            client,
        ))
    }
}

/// Everything of a server that decides what happens, without secrets.
fn lines(server: &McpServer) -> String {
    let transport = match &server.transport {
        McpTransport::Http(upstream) => format!("http {:?} {:?}", upstream.base, upstream.timeouts),
        McpTransport::Stdio(program) => format!(
            "stdio {} {:?} {:?} {:?}",
            program.command.display(),
            program.args,
            program.env.keys().collect::<Vec<_>>(),
            program.timeouts
        ),
    };
    let results = match server.results {
        Trust::ThirdParty => "third_party",
        Trust::Own => "own",
    };
    format!(
        "{} {transport} {:?} {results} {:?} {}",
        server.name, server.tools, server.asks, server.released_only
    )
}

/// A door to servers must not stand before the door of a route.
fn same_paths(mcp: &McpSettings, settings: &Settings, problems: &mut Vec<BuildProblem>) {
    for route in &settings.routes {
        let below = route.prefix.strip_prefix(mcp.path.as_str());
        if below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            problems.push(BuildProblem::McpDoor {
                route: route.name.clone(),
                path: mcp.path.clone(),
            });
        }
    }
}
