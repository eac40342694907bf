//! Listeners: nothing reaches beyond this machine without protection or a word that says so.

use std::net::SocketAddr;

use testudo_gateway::admin::AdminAccess;
use testudo_gateway::host::HostRules;
use testudo_gateway::listener::server_config;
use testudo_gateway::settings::{ListenSettings, TlsSettings};
use testudo_types::Secret;

use super::ADDRESS;
use crate::config::document::{At, shown};
use crate::config::files::Files;
use crate::config::problem::Problems;
use crate::config::typed;

/// Listeners, and the admin token.
pub(super) fn listen(
    typed: &typed::Listen,
    files: &mut Files<'_>,
    problems: &mut Problems,
) -> (ListenSettings, Option<Secret>) {
    let address = typed
        .address
        .as_ref()
        .and_then(|it| socket_address(it, "listen.address", problems))
        .unwrap_or(ADDRESS);
    let admin = typed
        .admin
        .as_ref()
        .and_then(|it| socket_address(it, "listen.admin", problems));
    let admin_token = typed
        .admin_token
        .as_ref()
        .and_then(|source| files.secret(source, "`listen.admin_token`", problems));
    let tls = typed.tls.as_ref().and_then(|tls| self::tls(tls, files, problems));
    exposed(typed, address, admin, problems);
    if admin == Some(address) && address.port() != 0 {
        let line = typed.admin.as_ref().map(|it| it.line);
        problems.add(
            line,
            "`listen.admin` is the address of the gateway itself",
            "give the admin listener its own port",
        );
    }
    if let (Some(source), Some(admin), Some(token)) = (&typed.admin_token, admin, &admin_token)
        && let Err(error) = AdminAccess::for_listener(admin, Some(token))
    {
        problems.at(source.line, error.to_string(), "");
    }
    if let (Some(token), None) = (&typed.admin_token, &typed.admin) {
        problems.at(
            token.line,
            "`listen.admin_token` protects nothing: there is no `listen.admin`",
            "add `listen.admin` or remove the token",
        );
    }
    let texts = |all: &[At<String>]| all.iter().map(|it| it.value.clone()).collect::<Vec<String>>();
    for host in &typed.hosts {
        if let Err(error) = HostRules::new(std::slice::from_ref(&host.value), &[], address) {
            problems.at(host.line, error.to_string(), "");
        }
    }
    for origin in &typed.origins {
        if let Err(error) = HostRules::new(&[], std::slice::from_ref(&origin.value), address) {
            problems.at(origin.line, error.to_string(), "");
        }
    }
    let listen = ListenSettings {
        address,
        hosts: texts(&typed.hosts),
        origins: texts(&typed.origins),
        tls,
        admin,
    };
    (listen, admin_token)
}

/// Reaching beyond this machine needs protection, or the word `dangerous`.
fn exposed(typed: &typed::Listen, address: SocketAddr, admin: Option<SocketAddr>, problems: &mut Problems) {
    let loopback = |address: SocketAddr| address.ip().to_canonical().is_loopback();
    let dangerous = typed.dangerous_plaintext.as_ref().is_some_and(|it| it.value);
    let line = typed.address.as_ref().map(|it| it.line);
    if !loopback(address) && typed.tls.is_none() && !dangerous {
        problems.add(line, format!("keys and texts would cross the network in the clear: `{address}` is not loopback and there is no [listen.tls]"), "add [listen.tls], listen on 127.0.0.1, or set dangerous_plaintext = true where another proxy encrypts");
    }
    if !loopback(address) && typed.hosts.is_empty() {
        problems.add(
            line,
            format!("`{address}` is not loopback and `listen.hosts` names no host, so every request would be refused"),
            "list the host names that clients use in `listen.hosts`",
        );
    }
    if let Some(flag) = typed.dangerous_plaintext.as_ref().filter(|it| it.value)
        && (typed.tls.is_some() || loopback(address))
    {
        problems.at(flag.line, "`dangerous_plaintext` has no effect here", "remove it");
    }
    if let (Some(admin), None) = (admin.filter(|it| !loopback(*it)), &typed.admin_token) {
        let line = typed.admin.as_ref().map(|it| it.line);
        problems.add(
            line,
            format!("the admin address `{admin}` is not loopback and there is no `listen.admin_token`"),
            "add admin_token = { env = \"NAME\" }, or listen on 127.0.0.1",
        );
    }
}

fn socket_address(text: &At<String>, name: &str, problems: &mut Problems) -> Option<SocketAddr> {
    let parsed = text.value.parse().ok();
    if parsed.is_none() {
        problems.at(
            text.line,
            format!("`{name}` cannot be `{}`", shown(&text.value)),
            "write an IP address and a port, for example \"127.0.0.1:8080\"",
        );
    }
    parsed
}

fn tls(typed: &At<typed::Tls>, files: &mut Files<'_>, problems: &mut Problems) -> Option<TlsSettings> {
    let mut path = |text: &Option<At<String>>, name: &str, problems: &mut Problems| match text {
        Some(text) => {
            let path = files.resolve(&text.value);
            files.note(path.clone());
            Some(path)
        }
        None => {
            problems.at(
                typed.line,
                format!("[listen.tls] has no `{name}`"),
                format!("add {name} = \"PATH\" of a PEM file"),
            );
            None
        }
    };
    let certificate = path(&typed.value.certificate, "certificate", problems);
    let key = path(&typed.value.key, "key", problems);
    let client_authorities = match &typed.value.client_authorities {
        Some(text) => path(&Some(text.clone()), "client_authorities", problems),
        None => None,
    };
    let settings = TlsSettings {
        certificate: certificate?,
        key: key?,
        client_authorities,
    };
    if let Err(error) = server_config(&settings) {
        problems.at(typed.line, error.to_string(), "");
    }
    Some(settings)
}
