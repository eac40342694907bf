//! MCP servers as typed.

use super::super::document::{At, Section};
use super::super::problem::Problems;
use super::{
    Agents, Allow, Limits, Recording, SecretSource, agents, allow, deadlines, ledger, limits, secret, source_of,
};

/// `[mcp]`.
#[derive(Debug, Default)]
pub(crate) struct Mcp {
    pub(crate) path: Option<At<String>>,
    pub(crate) servers: Vec<McpServer>,
}

/// One of `[[mcp.server]]`.
#[derive(Debug)]
pub(crate) struct McpServer {
    pub(crate) line: usize,
    pub(crate) name: Option<At<String>>,
    pub(crate) url: Option<At<String>>,
    pub(crate) command: Option<At<String>>,
    pub(crate) args: Vec<At<String>>,
    pub(crate) env: Vec<(At<String>, EnvironmentValue)>,
    pub(crate) secret: Option<At<SecretSource>>,
    pub(crate) authorities: Option<At<String>>,
    pub(crate) allow_private: Option<At<bool>>,
    /// Connect, first byte, idle, total.
    pub(crate) deadlines_ms: [Option<At<u64>>; 4],
    /// Whether a list was written at all: an empty one allows no tool.
    pub(crate) lists_tools: bool,
    pub(crate) tools: Vec<At<String>>,
    pub(crate) results: Option<At<String>>,
    pub(crate) asks: Vec<At<String>>,
    pub(crate) only_released: Option<At<bool>>,
    pub(crate) agents: Option<Agents>,
    pub(crate) profile: Option<At<String>>,
    pub(crate) limits: Limits,
    pub(crate) ledger: Recording,
    pub(crate) allow: Vec<Allow>,
}

/// What a program finds in a variable.
#[derive(Debug)]
pub(crate) enum EnvironmentValue {
    Text(String),
    Secret(At<SecretSource>),
}

pub(super) fn mcp(mut section: Section<'_>, problems: &mut Problems) -> Mcp {
    let mcp = Mcp {
        path: section.text("path", problems),
        servers: section
            .tables("server", problems)
            .into_iter()
            .map(|table| server(table, problems))
            .collect(),
    };
    section.finish(problems);
    mcp
}

fn server(mut section: Section<'_>, problems: &mut Problems) -> McpServer {
    section.require("name", "\"mail\"", problems);
    let server = McpServer {
        line: section.line,
        name: section.text("name", problems),
        url: section.text("url", problems),
        command: section.text("command", problems),
        args: section.texts("args", problems),
        env: environment(&mut section, problems),
        secret: secret(&mut section, "secret", problems),
        authorities: section.text("authorities", problems),
        allow_private: section.flag("allow_private", problems),
        deadlines_ms: deadlines(&mut section, problems),
        lists_tools: section.has("tools"),
        tools: section.texts("tools", problems),
        results: section.text("results", problems),
        asks: section.texts("asks", problems),
        only_released: section.flag("only_released", problems),
        agents: agents::agents(&mut section, problems),
        profile: section.text("profile", problems),
        limits: limits(&mut section, problems),
        ledger: section
            .section("ledger", problems)
            .map(|section| ledger::recording(section, problems))
            .unwrap_or_default(),
        allow: allow::entries(&mut section, problems),
    };
    section.finish(problems);
    server
}

fn environment(section: &mut Section<'_>, problems: &mut Problems) -> Vec<(At<String>, EnvironmentValue)> {
    let name = section.name("env");
    let mut read = Vec::new();
    for entry in section.entries("env", problems) {
        let key = entry.name;
        match entry.value {
            Err(text) => read.push((key, EnvironmentValue::Text(text))),
            Ok(source) => {
                let remedy = "write a text, { env = \"NAME\" } or { file = \"PATH\" }";
                let source = source_of(source, &format!("{name}.{}", key.value), remedy, problems);
                read.extend(source.map(|source| (key, EnvironmentValue::Secret(source))));
            }
        }
    }
    read
}
