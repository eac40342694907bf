//! Other gateways under the load of P0, installed from their registries under the target folder.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use testudo_testkit::load::{Pace, Plan, post};

use super::report::{Measured, Peer, PeerRuns};
use super::{Effort, cases, results_folder, run};
use crate::gateway::free_address;
use crate::mock::MockProcess;
use crate::{output, shell};

const LITELLM: &str = "litellm[proxy]==1.106.2";
const PORTKEY: &str = "@portkey-ai/gateway@1.15.2";
/// The proxy refuses weak keys; this one only ever guards a mock on loopback.
const MASTER_KEY: &str = "sk-bench-0123456789abcdef0123456789abcdef";

/// Measures each peer; one that cannot be installed or started is reported, not skipped silently.
pub(super) fn measure(program: &Path, effort: Effort) -> anyhow::Result<Vec<Peer>> {
    let mut peers = Vec::new();
    for (name, start) in [
        (LITELLM, start_litellm as fn(&MockProcess) -> anyhow::Result<Started>),
        (PORTKEY, start_portkey),
    ] {
        output::step(&format!("peer: {name}"));
        let mock = MockProcess::start(program, &["body_bytes=600"])?;
        let result = start(&mock).and_then(|peer| measure_one(&peer, effort));
        peers.push(Peer {
            name: name.to_owned(),
            result: result.map_err(|error| format!("{error:#}")),
        });
    }
    Ok(peers)
}

fn measure_one(peer: &Started, effort: Effort) -> anyhow::Result<PeerRuns> {
    let body = cases::all()
        .into_iter()
        .find(|case| case.id == "P0")
        .map(|case| case.body)
        .context("P0 is gone")?;
    let headers: Vec<(&str, &str)> = peer
        .headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let request = post("/v1/chat/completions", &peer.address.to_string(), &headers, &body);
    let plan = |pace, connections| Plan {
        target: peer.address,
        request: request.clone(),
        pace,
        connections,
        // Interpreted gateways need longer to warm up.
        warmup: effort.warmup.saturating_mul(2),
        measured: effort.measured,
        status: 200,
        must_contain: b"choices".to_vec(),
    };
    let mut paced = Vec::new();
    let mut saturated = Vec::new();
    for _ in 0..effort.repetitions {
        paced.push(run(&plan(Pace::PerSecond(20), 1), Some(peer.child.id()))?);
        saturated.push(run(&plan(Pace::Saturate, 32), Some(peer.child.id()))?);
    }
    Ok(PeerRuns {
        paced: Measured { runs: paced },
        saturated: Measured { runs: saturated },
    })
}

/// A peer's process; stopped when dropped.
struct Started {
    address: SocketAddr,
    headers: Vec<(&'static str, String)>,
    child: Child,
}

impl Drop for Started {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}

fn start_litellm(mock: &MockProcess) -> anyhow::Result<Started> {
    let folder = shell::target().join("peers/litellm");
    crate::python::environment(&folder, &[LITELLM])?;
    let address = free_address()?;
    let configuration = results_folder().join("litellm.yaml");
    fs::create_dir_all(results_folder())?;
    fs::write(
        &configuration,
        format!(
            "model_list:\n  - model_name: mock-1\n    litellm_params:\n      model: openai/mock-1\n      \
             api_base: http://{}/v1\n      api_key: sk-upstream\ngeneral_settings:\n  master_key: {MASTER_KEY}\n\
             litellm_settings:\n  telemetry: false\n",
            mock.address
        ),
    )?;
    let child = Command::new(folder.join("bin/litellm"))
        .arg("--config")
        .arg(&configuration)
        .args(["--host", "127.0.0.1", "--port", &address.port().to_string()])
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        .env("LITELLM_LOG", "ERROR")
        .stdin(Stdio::null())
        .stdout(File::create(results_folder().join("litellm.log"))?)
        .stderr(File::create(results_folder().join("litellm.err"))?)
        .spawn()
        .context("litellm cannot be started")?;
    wait_until_ready(Started {
        address,
        headers: vec![("authorization", format!("Bearer {MASTER_KEY}"))],
        child,
    })
}

fn start_portkey(mock: &MockProcess) -> anyhow::Result<Started> {
    let folder = shell::target().join("peers/portkey");
    if !folder.join("installed").exists() {
        output::step("installing the Portkey gateway");
        fs::create_dir_all(&folder)?;
        let npm = ["install", "--prefix=.", "--no-audit", "--no-fund", "--silent", PORTKEY];
        shell::run(Command::new("npm").current_dir(&folder).args(npm))?;
        fs::write(folder.join("installed"), PORTKEY)?;
    }
    let address = free_address()?;
    fs::create_dir_all(results_folder())?;
    let child = Command::new("node")
        .current_dir(&folder)
        .arg("node_modules/@portkey-ai/gateway/build/start-server.js")
        .args([&format!("--port={}", address.port()), "--headless"])
        .env("TRUSTED_CUSTOM_HOSTS", "127.0.0.1,localhost")
        .stdin(Stdio::null())
        .stdout(File::create(results_folder().join("portkey.log"))?)
        .stderr(File::create(results_folder().join("portkey.err"))?)
        .spawn()
        .context("the Portkey gateway cannot be started")?;
    wait_until_ready(Started {
        address,
        headers: vec![
            ("authorization", "Bearer sk-upstream".to_owned()),
            ("x-portkey-provider", "openai".to_owned()),
            ("x-portkey-custom-host", format!("http://{}/v1", mock.address)),
        ],
        child,
    })
}

fn wait_until_ready(mut peer: Started) -> anyhow::Result<Started> {
    for _ in 0..1800 {
        if TcpStream::connect(peer.address).is_ok() {
            return Ok(peer);
        }
        if let Some(status) = peer.child.try_wait()? {
            bail!(
                "it ended ({status}) before it listened; its output is in {}",
                results_folder().display()
            );
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!(
        "it does not listen after 180 s; its output is in {}",
        results_folder().display()
    )
}
