//! Compares what was said direct and through the gateway, byte by byte.

use anyhow::bail;
use testudo_testkit::tee::Exchanged;

use super::Calls;
use crate::output;

/// The personal data in the call that masking edits.
const PLANTED: &[u8] = b"ada.lovelace@engine-room.org";

/// What held and what did not.
#[derive(Debug, Default)]
pub(super) struct Report {
    compared: usize,
    bytes: usize,
    problems: Vec<String>,
}

impl Report {
    /// The SDK must see the same, the answer's bytes must be the upstream's, the request's bytes the client's.
    pub(super) fn unedited(&mut self, name: &str, direct: &Calls, through: &Calls, behind: &[Exchanged]) {
        if direct.printed != through.printed {
            for (one, other) in direct.printed.lines().zip(through.printed.lines()) {
                if one != other {
                    self.problem(name, &format!("the SDK saw\n  direct  {one}\n  through {other}"));
                }
            }
            if direct.printed.lines().count() != through.printed.lines().count() {
                self.problem(name, "the SDK finished a different number of calls");
            }
        }
        if direct.exchanged.len() != through.exchanged.len() {
            self.problem(
                name,
                &format!(
                    "{} exchanges direct, {} through",
                    direct.exchanged.len(),
                    through.exchanged.len()
                ),
            );
        }
        let behind = in_order(behind);
        let mut forwarded = behind.iter();
        for (one, other) in in_order(&direct.exchanged)
            .into_iter()
            .zip(in_order(&through.exchanged))
        {
            let call = one.request_head.lines().next().unwrap_or("");
            self.same(
                name,
                call,
                "status",
                &one.status.to_be_bytes(),
                &other.status.to_be_bytes(),
            );
            if one.status != 200 {
                // An unknown path is answered by the gateway itself.
                continue;
            }
            self.same(name, call, "response body", &one.response_body, &other.response_body);
            match forwarded.next() {
                Some(behind) => {
                    self.same(name, call, "request body", &other.request_body, &behind.request_body);
                    let head = behind.request_head.to_ascii_lowercase();
                    if head.contains("tsk_") {
                        self.problem(name, &format!("{call}: the virtual key reached the upstream"));
                    }
                }
                None => self.problem(name, &format!("{call}: not seen behind the gateway")),
            }
        }
    }

    /// The planted address must not pass the gateway, and the SDK must still be served.
    pub(super) fn edited(&mut self, through: &Calls, behind: &[Exchanged]) {
        let name = "edited";
        if through.printed.lines().count() != 2 || through.printed.contains("false") {
            self.problem(name, &format!("the SDK was not served: {}", through.printed));
        }
        let sent = through
            .exchanged
            .iter()
            .filter(|it| holds(&it.request_body, PLANTED))
            .count();
        if sent != 2 {
            self.problem(name, "the client did not send the planted address twice");
        }
        if behind.len() != 2 {
            self.problem(
                name,
                &format!("{} requests behind the gateway instead of 2", behind.len()),
            );
        }
        for exchanged in behind {
            self.compared = self.compared.saturating_add(1);
            if holds(&exchanged.request_body, PLANTED) {
                self.problem(name, "the planted address reached the upstream");
            }
        }
    }

    /// Prints the result; fails on any problem.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        for problem in &self.problems {
            output::problem(problem);
        }
        let passed = self.compared.saturating_sub(self.problems.len());
        output::line(&format!(
            "{} comparisons, {} bytes of bodies identical",
            self.compared, self.bytes
        ));
        output::line(&format!("{passed} passed, {} failed", self.problems.len()));
        if !self.problems.is_empty() {
            bail!("the gateway changed what it should not, or did not change what it should");
        }
        Ok(())
    }

    fn same(&mut self, name: &str, call: &str, what: &str, one: &[u8], other: &[u8]) {
        self.compared = self.compared.saturating_add(1);
        if one == other {
            self.bytes = self.bytes.saturating_add(one.len());
            return;
        }
        let at = one
            .iter()
            .zip(other)
            .position(|(a, b)| a != b)
            .unwrap_or(one.len().min(other.len()));
        let near = |bytes: &[u8]| {
            let from = bytes.get(at.saturating_sub(20)..).unwrap_or_default();
            String::from_utf8_lossy(from.get(..80).unwrap_or(from)).into_owned()
        };
        self.problem(
            name,
            &format!(
                "{call}: {what} differs at byte {at}\n  {}\n  {}",
                near(one),
                near(other)
            ),
        );
    }

    fn problem(&mut self, name: &str, text: &str) {
        self.problems.push(format!("{name}: {text}"));
    }
}

/// By what was asked: clients and the gateway spread their calls over connections as they like.
fn in_order(exchanged: &[Exchanged]) -> Vec<&Exchanged> {
    let mut list: Vec<&Exchanged> = exchanged.iter().collect();
    list.sort_by_key(|it| (it.request_head.lines().next(), &it.request_body));
    list
}

fn holds(body: &[u8], wanted: &[u8]) -> bool {
    body.windows(wanted.len()).any(|it| it == wanted)
}
