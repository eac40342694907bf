//! A vault with two versions, an approver, two upstreams, and one that says what it serves.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use testudo_gateway::settings::{
    Afterwards, Ask, AskWhat, FollowSettings, FollowedModel, MoveRules, Place, Serves, Settings, UpstreamBase,
    VersionBeginning,
};
use testudo_testkit::mock::{MockSettings, MockUpstream};
use testudo_types::{UnixMillis, UpstreamName};
use testudo_vault::signing::{HashKind, Links, Method, Model, Scope, SignOptions, SigningKey, digest};
use testudo_vault::vault::{Act, Approvers, Proposed, Push, VaultName, VaultSettings, VersionId};

use crate::harness::{Answer, Plan, Rig, chat};
use crate::notebook::Notebook;

pub(super) const CHAT: &str = "/v1/chat/completions";

pub(super) fn name(text: &str) -> VaultName {
    VaultName::parse(text).unwrap()
}

/// The vault and those who state things in it.
pub(super) struct Vault {
    pub(super) folder: TempDir,
    pub(super) settings: VaultSettings,
    key: SigningKey,
    pub(super) one: VersionId,
    pub(super) two: VersionId,
}

impl Vault {
    pub(super) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let pem = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let key = SigningKey::from_pem(pem.as_bytes()).unwrap();
        let mut settings = VaultSettings::in_folder(folder.path()).unwrap();
        settings.approvers = Approvers::new([key.public().clone()]);
        // The approver's machine; the gateway's has a memory of its own.
        settings.seen = folder.path().join("approver-seen.json");
        let mut versions = Vec::new();
        for content in ["one", "two"] {
            versions.push(push(&settings, folder.path(), content).await);
        }
        Self {
            folder,
            settings,
            key,
            one: versions[0],
            two: versions[1],
        }
    }

    pub(super) async fn state(&self, act: Act, version: VersionId) {
        let open = self.settings.open().await.unwrap();
        let standing = open.standing(&name("llama")).await.unwrap().standing;
        let artifact = open.vault().artifact(&name("llama")).await.unwrap();
        let proposed = Proposed {
            act,
            version,
            approver: "alice",
            reason: "tested",
            at: UnixMillis(1),
            key: &self.key,
        };
        open.vault().state(&artifact, &standing, &proposed).await.unwrap();
    }

    pub(super) async fn promote(&self, version: VersionId) {
        self.state(Act::Promote { alias: name("prod") }, version).await;
    }

    pub(super) async fn roll_back(&self, version: VersionId) {
        self.state(Act::RollBack { alias: name("prod") }, version).await;
    }

    /// Where its files are.
    pub(super) fn files(&self) -> PathBuf {
        self.folder.path().join("vault")
    }

    pub(super) fn statements(&self) -> PathBuf {
        self.files().join("artifacts/llama/statements")
    }

    /// Takes it away, or brings it back.
    pub(super) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.folder.path().join(from), self.folder.path().join(to)).unwrap();
    }
}

async fn push(settings: &VaultSettings, folder: &Path, content: &str) -> VersionId {
    let root = folder.join(content);
    fs::create_dir(&root).unwrap();
    fs::write(root.join("weights"), content).unwrap();
    let model = Model::open(&root, Links::Refuse).unwrap();
    let options = SignOptions {
        scope: Scope::without_git(),
        method: Method::Files,
        hash: HashKind::Sha256,
        links: Links::Refuse,
        reference_names: false,
        earlier: None,
        now: UnixMillis(0),
    };
    let measured = digest(&model, &options, &|_| {}).unwrap();
    let open = settings.open_or_make().await.unwrap();
    let artifact = open.vault().artifact_or_make(&name("llama")).await.unwrap();
    let push = Push {
        model: &model,
        manifest: &measured.manifest,
        signature: None,
        evidence: None,
    };
    artifact.push(&push, &|_| {}).await.unwrap().version
}

/// Answers every request with a text of the test's.
pub(super) struct Teller {
    pub(super) address: SocketAddr,
    says: Arc<Mutex<String>>,
}

impl Teller {
    pub(super) async fn start(version: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let says = Arc::new(Mutex::new(String::new()));
        let answers = Arc::clone(&says);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let answers = Arc::clone(&answers);
                let answer = service_fn(move |_| {
                    let text = answers.lock().unwrap().clone();
                    async move { Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(text)))) }
                });
                let serving = hyper::server::conn::http1::Builder::new();
                drop(tokio::spawn(serving.serve_connection(TokioIo::new(socket), answer)));
            }
        });
        let teller = Self { address, says };
        teller.serve(version);
        teller
    }

    /// From now on it serves this.
    pub(super) fn serve(&self, version: &str) {
        self.say(&format!(r#"{{"model":{{"path":"/srv/models/{version}"}}}}"#));
    }

    pub(super) fn say(&self, text: &str) {
        *self.says.lock().unwrap() = text.to_owned();
    }

    pub(super) fn ask(&self) -> Ask {
        let place = Place::Address(format!("http://{}/version", self.address).parse().unwrap());
        Ask {
            what: AskWhat::Json {
                place,
                pointer: "/model/path".to_owned(),
            },
            means: std::collections::BTreeMap::default(),
        }
    }
}

pub(super) fn stated(version: VersionId) -> Serves {
    Serves::Stated(VersionBeginning::parse(&version.short()).unwrap())
}

/// A gateway whose route goes to `blue`, which is the harness's own mock, or to `green`.
pub(super) struct Scene {
    pub(super) vault: Vault,
    pub(super) rig: Rig,
    pub(super) notebook: Notebook,
    pub(super) green: MockUpstream,
    settings: Box<dyn Fn() -> Settings>,
}

pub(super) struct Shape {
    pub(super) blue: Option<Serves>,
    pub(super) green: Option<Serves>,
    pub(super) keep_ms: u64,
    pub(super) afterwards: Afterwards,
    pub(super) moves: Option<MoveRules>,
}

impl Shape {
    pub(super) fn plain() -> Self {
        Self {
            blue: None,
            green: None,
            keep_ms: 60_000,
            afterwards: Afterwards::Refuse,
            moves: None,
        }
    }
}

impl Scene {
    /// `blue` serves version one and `green` version two, unless the shape says how it is known.
    pub(super) async fn start(vault: Vault, shape: Shape) -> Self {
        let green = MockUpstream::start(MockSettings::default()).await.unwrap();
        let blue_serves = shape.blue.unwrap_or_else(|| stated(vault.one));
        let green_serves = shape.green.unwrap_or_else(|| stated(vault.two));
        let mut follow = FollowSettings {
            vault: vault.settings.clone(),
            moves: shape.moves,
            statements_every_ms: 20,
            upstreams_every_ms: 20,
        };
        follow.vault.seen = vault.folder.path().join("gateway-seen.json");
        let model = FollowedModel {
            artifact: name("llama"),
            alias: name("prod"),
            upstreams: vec![
                UpstreamName::parse("openai").unwrap(),
                UpstreamName::parse("green").unwrap(),
            ],
            keep_ms: shape.keep_ms,
            afterwards: shape.afterwards,
        };
        let address = green.address;
        let change = move |settings: &mut Settings| {
            let blue = settings.upstreams[&model.upstreams[0]].clone();
            for (at, serves) in [(0, &blue_serves), (1, &green_serves)] {
                let base = match at {
                    0 => blue.base.clone(),
                    _ => UpstreamBase::Url(format!("http://{address}").parse().unwrap()),
                };
                let settings_of = testudo_gateway::settings::UpstreamSettings {
                    name: model.upstreams[at].clone(),
                    base,
                    family: blue.family,
                    secret: None,
                    authorities: None,
                    allow_private: true,
                    timeouts: blue.timeouts,
                    retries_max: 0,
                    serves: Some(serves.clone()),
                };
                settings
                    .upstreams
                    .insert(model.upstreams[at].clone(), Arc::new(settings_of));
            }
            settings.follow = Some(follow.clone());
            let mut routes = std::mem::take(&mut settings.routes);
            for route in &mut routes {
                if route.name.as_str() == "openai" {
                    Arc::get_mut(route).unwrap().model = Some(model.clone());
                }
            }
            settings.routes = routes;
        };
        let plan = Plan::with(&[]);
        let (rig, notebook) = Box::pin(Rig::recording_with(&plan, &change)).await;
        let blue = rig.mock.address;
        let settings = Box::new(move || {
            let mut settings = plan.settings(blue);
            change(&mut settings);
            settings
        });
        Self {
            vault,
            rig,
            notebook,
            green,
            settings,
        }
    }

    pub(super) async fn ask(&self) -> Answer {
        self.rig.post(CHAT, chat("hello", false)).await
    }

    pub(super) fn reload(&self) {
        self.rig.running.reload((self.settings)()).unwrap();
    }

    /// How many requests the upstreams got.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.rig.mock.request_count(), self.green.request_count())
    }

    /// Asks until an answer is from this upstream; the other one may answer before, nobody else.
    pub(super) async fn until_from(&self, green: bool) {
        for _ in 0..1_000 {
            let before = self.counts();
            let answer = self.ask().await;
            assert!(answer.status == 200 || answer.status == 503, "{}", answer.text());
            let after = self.counts();
            if (green && after.1 > before.1) || (!green && after.0 > before.0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the route never went there");
    }

    /// Asks until the route refuses for this reason.
    pub(super) async fn until_refused(&self, says: &str) -> Answer {
        for _ in 0..1_000 {
            let answer = self.ask().await;
            if answer.status == 503 && answer.text().contains(says) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the route never refused because {says}");
    }

    /// Waits for an alarm of this name to be on or off.
    pub(super) async fn until_alarm(&self, alarm: &str, about: &str, on: bool) {
        let value = if on { "} 1" } else { "} 0" };
        let label = format!("alarm=\"{alarm}\"");
        let about = format!("about=\"{about}\"");
        self.rig
            .until_counted(&["testudo_model_alarm{", &label, &about, value])
            .await;
    }
}
