//! What witnesses answered, as it is found in the folder and in the health.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use testudo_ledger::{KeyKind, KeyName, Signature, SignedCheckpoint, SigningKey};
use zeroize::Zeroizing;

use super::rig::{ROOT, draft, open_with, options};
use crate::files::faulty::FaultyFiles;
use crate::{Cosigned, Level, Witnessing};

/// Signs everything, and is enough up to a size.
struct Half {
    key: SigningKey,
    enough_until: u64,
}

const CONTRADICTION: &str = "the witness w contradicts this log";

impl Witnessing for Half {
    fn cosign<'a>(&'a self, checkpoint: &'a SignedCheckpoint) -> Pin<Box<dyn Future<Output = Cosigned> + Send + 'a>> {
        let quorum = checkpoint.checkpoint().size() <= self.enough_until;
        Box::pin(async move {
            Cosigned {
                signatures: vec![Signature::new(&self.key, checkpoint.note().text(), 1)],
                quorum,
                reason: "the other one is down".to_owned(),
                contradiction: (!quorum).then(|| CONTRADICTION.to_owned()),
            }
        })
    }
}

#[tokio::test]
async fn without_a_quorum_the_last_witnessed_checkpoint_stays() {
    let files = FaultyFiles::new(Path::new(ROOT), 7);
    let name = KeyName::parse("w").unwrap();
    let key = SigningKey::from_seed(name, KeyKind::Cosignature, Zeroizing::new([3; 32])).unwrap();
    let verifier = key.verifier().clone();
    let mut with = options();
    with.limits.witness_wait_ms = 60_000;
    with.witnessing = Some(Arc::new(Half { key, enough_until: 2 }));
    let recorder = open_with(&files, with).await.unwrap();
    recorder.append(draft("enough", 0), Level::Witnessed).await.unwrap();
    let enough = recorder.health();
    assert!(enough.witnessed_age_ms.is_some() && enough.last_error.is_none());
    let read = |name: &str| SignedCheckpoint::parse(&files.snapshot()[&Path::new(ROOT).join(name)]).unwrap();
    let before = read("witnessed");
    assert_eq!(before.checkpoint().size(), 2);
    recorder.append(draft("too few", 0), Level::Integrated).await.unwrap();
    let is_cosigned = |it: &SignedCheckpoint| it.note().signatures().iter().any(|it| it.is_by(&verifier));
    while !is_cosigned(&read("checkpoint")) {
        tokio::task::yield_now().await;
    }
    assert_eq!(read("checkpoint").checkpoint().size(), 3);
    assert_eq!(read("witnessed"), before);
    let health = recorder.health();
    assert!(health.writable);
    assert_eq!(health.last_error.as_deref(), Some(CONTRADICTION));
    recorder.close().await.unwrap();
    assert_eq!(read("witnessed"), before);
}
