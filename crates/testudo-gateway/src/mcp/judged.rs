//! Calls that no answer of a model of ours has asked for, where a server's `agents` say by what they are judged.

use std::sync::PoisonError;

use serde_json::Value;
use testudo_bounded::json::{Kind, Node};

use super::fault::Fault;
use super::heard::specified;
use super::server::Server;
use super::session::Session;
use super::visit::Visit;
use crate::agent::{Direct, DirectCall, Ruled};
use crate::record::Record;

/// Decides about a call as the server would get it.
pub(crate) async fn judge(
    visit: &Visit<'_>,
    session: &Session,
    (server, tool): (&Server, &str),
    arguments: Option<Node<'_>>,
    record: &mut Record,
) -> Result<(), Fault> {
    let Some(settings) = &server.route().agents else {
        return Ok(());
    };
    let tool = specified(&settings.specs, server.name(), tool);
    let written = arguments.map_or(&b"{}"[..], |arguments| arguments.raw());
    let read: Value = serde_json::from_slice(written).unwrap_or(Value::Null);
    let call = DirectCall {
        tool: &tool,
        arguments: &read,
        canonical: canonical(arguments),
    };
    let exchange = record.id.clone();
    let subject = record.subject.clone();
    let judge = visit.judge(server);
    let direct = Direct {
        settings,
        judge: &judge,
        counted: visit.gateway.counted(),
        approvals: visit.gateway.approvals(),
        policy: server.digest,
        exchange: &exchange,
        subject: subject.as_ref().map(|it| it.as_str()),
    };
    let ruled = match direct.taken(&call).await? {
        Some(ruled) => ruled,
        None => {
            let held = {
                let heard = session.heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.earlier(&settings.specs, server.name(), |earlier, suspicious| {
                    direct.judge(&call, earlier, suspicious)
                })
            };
            record.calls.ask();
            direct.held(held).await
        }
    };
    match ruled {
        Ruled::Goes => Ok(()),
        Ruled::Approved => {
            record.calls.approve();
            Ok(())
        }
        Ruled::Waits(refusal) => Err(Fault::answer(refusal)),
        Ruled::Held(why, refusal) => {
            record.calls.hold(why);
            Err(Fault::answer(refusal))
        }
    }
}

/// Arguments in their one spelling; `None` when they have none, or are no object.
fn canonical(arguments: Option<Node<'_>>) -> Option<Vec<u8>> {
    let Some(arguments) = arguments else {
        return Some(b"{}".to_vec());
    };
    let mut out = Vec::new();
    let spelled = arguments.kind() == Kind::Object && arguments.canonical(&mut out).is_ok();
    spelled.then_some(out)
}
