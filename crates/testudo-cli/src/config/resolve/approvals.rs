//! Approvals: who decides, and who is told.

use std::collections::BTreeSet;

use testudo_gateway::admin::approver_token;
use testudo_gateway::settings::{ApprovalSettings, Approver, WebhookSettings};
use testudo_types::HoldWay;
use url::Url;

use crate::config::document::{At, shown};
use crate::config::files::Files;
use crate::config::problem::Problems;
use crate::config::typed::{self, Typed};

/// How held calls are decided; tokens and the webhook only with `files`.
pub(super) fn approvals(typed: &Typed, mut files: Option<&mut Files<'_>>, problems: &mut Problems) -> ApprovalSettings {
    let all = &typed.approvals;
    let default = ApprovalSettings::none();
    let or = |value: &Option<At<u64>>, default| value.as_ref().map_or(default, |it| it.value);
    let mut names = BTreeSet::new();
    let mut approvers = Vec::new();
    for each in &all.approvers {
        let Some(approver) = approver(each, files.as_deref_mut(), problems) else {
            continue;
        };
        let name = each.name.as_ref().map_or(0, |it| it.line);
        if !names.insert(approver.name.to_ascii_lowercase()) {
            let what = format!("there are two approvers called `{}`", approver.name);
            problems.at(name, what, "rename one of them");
        }
        if let (Some(_), Some(source), None) = (&files, &each.token, &typed.listen.admin) {
            problems.at(
                source.line,
                "the approver's token opens nothing: there is no `listen.admin`",
                "add `listen.admin` or remove the token",
            );
        }
        approvers.push(approver);
    }
    let page = all.page.as_ref().and_then(|it| page(it, problems));
    let webhook = match (&all.webhook, files) {
        (Some(webhook), Some(files)) => {
            if all.page.is_none() {
                problems.at(
                    webhook.line,
                    "the webhook's messages would link nowhere",
                    "add approvals.page = \"https://…\", where browsers find the admin listener",
                );
            }
            self::webhook(webhook, files, problems)
        }
        _ => None,
    };
    ApprovalSettings {
        expires_ms: or(&all.expires_ms, default.expires_ms),
        use_within_ms: or(&all.use_within_ms, or(&all.expires_ms, default.use_within_ms)),
        quorum: quorum(all, problems),
        approvers,
        page,
        webhook,
    }
}

fn quorum(all: &typed::Approvals, problems: &mut Problems) -> u16 {
    let Some(quorum) = &all.quorum else { return 1 };
    let people = u64::try_from(all.approvers.len()).unwrap_or(u64::MAX);
    if quorum.value > 1 && quorum.value > people {
        problems.at(
            quorum.line,
            format!(
                "`approvals.quorum` asks for {} people and {people} are named",
                quorum.value
            ),
            "add [[approvals.approver]] for each, or lower it",
        );
    }
    u16::try_from(quorum.value).unwrap_or(u16::MAX)
}

fn approver(typed: &typed::Approver, files: Option<&mut Files<'_>>, problems: &mut Problems) -> Option<Approver> {
    let name = typed.name.as_ref()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if !(1..=64).contains(&name.value.len()) || !name.value.chars().all(plain) {
        problems.at(
            name.line,
            format!("an approver cannot be called `{}`", shown(&name.value)),
            "use 1 to 64 letters, digits, `-`, `_`, `.` and `@`",
        );
        return None;
    }
    let token = match (&typed.token, files) {
        (Some(source), Some(files)) => {
            let whose = format!("the token of the approver `{}`", name.value);
            let token = files.secret(source, &whose, problems);
            if let Some(Err(error)) = token.as_ref().map(approver_token) {
                problems.at(source.line, format!("{whose}: {error}"), "");
            }
            token
        }
        _ => None,
    };
    Some(Approver {
        name: name.value.clone(),
        token,
        uid: typed.uid.as_ref().and_then(|it| u32::try_from(it.value).ok()),
        principals: typed.principals.iter().map(|it| it.value.clone()).collect(),
        groups: groups(typed, problems),
    })
}

/// The groups of one approver, by names that a policy's `@hold` can have.
fn groups(typed: &typed::Approver, problems: &mut Problems) -> Vec<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let mut groups = Vec::new();
    for group in &typed.groups {
        let word = HoldWay::ALL.iter().any(|way| way.as_str() == group.value);
        if word || !(1..=64).contains(&group.value.len()) || !group.value.chars().all(plain) {
            problems.at(
                group.line,
                format!("a group of approvers cannot be called `{}`", shown(&group.value)),
                "use 1 to 64 letters, digits, `-`, `_` and `.`, and no word that means something else in `@hold`",
            );
        } else if !groups.contains(&group.value) {
            groups.push(group.value.clone());
        }
    }
    groups
}

/// The admin listener as browsers know it: scheme and host.
fn page(page: &At<String>, problems: &mut Problems) -> Option<Url> {
    let url = Url::parse(&page.value).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    if url.is_none() {
        problems.at(
            page.line,
            format!("`approvals.page` cannot be `{}`", shown(&page.value)),
            "write scheme and host, for example \"https://approvals.example.com\"",
        );
    }
    url
}

fn webhook(typed: &typed::Webhook, files: &mut Files<'_>, problems: &mut Problems) -> Option<WebhookSettings> {
    let secret = typed
        .secret
        .as_ref()
        .and_then(|source| files.secret(source, "the webhook's secret", problems));
    let url = typed.url.as_ref()?;
    let sound = |it: &Url| {
        let private = typed.allow_private.as_ref().is_some_and(|it| it.value);
        it.has_host() && it.username().is_empty() && (it.scheme() == "https" || it.scheme() == "http" && private)
    };
    let address = Url::parse(&url.value).ok().filter(sound);
    if address.is_none() {
        // Not shown: such addresses are secrets themselves.
        problems.at(
            url.line,
            "`approvals.webhook.url` cannot be used",
            "write it whole and with https; http only with allow_private = true",
        );
    }
    Some(WebhookSettings {
        url: address?,
        secret: secret?,
        allow_private: typed.allow_private.as_ref().is_some_and(|it| it.value),
    })
}
