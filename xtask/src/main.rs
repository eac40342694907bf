//! The project's automation: `cargo xtask` alone lists what there is and how long it takes.

mod agent;
mod agents_bench;
mod bench;
mod crash;
mod detect_bench;
mod e2e;
mod exchange;
mod fuzz;
mod gateway;
mod hsm;
mod instructions;
#[cfg(test)]
mod layers;
mod ledger_bench;
mod ledger_peers;
mod ledger_setup;
mod mcp;
mod mock;
mod ocsf;
mod output;
mod peers;
mod python;
mod query_bench;
mod s3;
mod shell;
mod soak;
mod suite;
#[cfg(test)]
mod tidy;
mod train;
mod vault_bench;
mod vault_crash;
mod vault_trial;

use std::process::ExitCode;

use anyhow::bail;

const HELP: &str = "\
cargo xtask <task>

  test                    format, lints, instruction counts, every test; installs what is missing
                          (first run 5-10 min for the build, later about 2 min)
  agent                   an agent with the official SDK and a model that obeys what it reads, without Testudo and
                          with each kind of hold, whole and streamed (installs 30 MB once; then about 1 min)
  bench [--quick] [--peers] [--only ID,ID]
                          direct and through the gateway, table and raw numbers under target/bench
                          (release build 5-10 min once; quick 1 min, full 4 min; peers 600 MB once)
  bench-query [--entries N]
                          the ledger's query index on ten million made-up entries: build rate, size,
                          times, memory (release build 5 min once; then 3 min)
  bench-ledger [--quick]  durable and queued entries, beside SQLite and the bare disk
                          (release build once; quick 1 min, full 4 min)
  bench-detect [--quick]  rules, n-grams and encoder on one core, memory, and how many windows of harmless
                          rows reach the encoder (release build of 2 min once; then 1 min)
  bench-agents [--quick]  who named the values of a call, on one core: time, memory, labels per second
                          (release build of 2 min once; then 10 s)
  crash [--kills N]       kills a process that writes a ledger, 200 times; nothing acknowledged may
                          be lost (1-2 min)
  crash-vault [--kills N] [--program FILE]
                          kills pushes, promotions and pulls of a vault under way, 100 of each; no half version may ever
                          be visible, nothing acknowledged may be lost (10-15 min)
  bench-vault [--gb N] [--files N] [--runs N] [--program FILE]
                          a model of 5 GB pushed and pulled, beside cp and age: time and most memory, medians of 3
                          (release build 5-10 min once, age once; needs 15 GB of disk; then about 5 min)
  instructions [--record] instructions per call of the hot paths against recorded numbers, +-3 %
                          (release build 1 min once, then 30 s; installs valgrind if it is missing)
  soak [--minutes N]      mixed load and vanishing clients; memory must stay flat (10 min)
  exchange [MODEL]...     bills of materials of models against CycloneDX's schema, attestations against in-toto's
                          libraries, both ways, layouts through skopeo; without MODEL a small one that carries its card
                          (installs 60 MB into ~/.cache/testudo-exchange and a model of 90 MB once; then 1 min)
  fuzz [--seconds N] [NAME]...
                          every fuzz target, 60 s each, with the stable compiler
  ledger-peers [FOLDER]   the ledger's formats against Go's sumdb packages, both ways, or a log's folder by them
                          (installs Go from Debian once, 250 MB; then 10 s)
  hsm                     key-encryption keys of ledger and vault in a PKCS#11 token, with SoftHSM 2 (installs it;
                          builds with features of their own once, 5 min; then 1 min)
  mcp [--conformance]     two MCP servers with the official SDK and its client, through the gateway; with
                          --conformance the official suite, direct and through it
                          (installs 60 MB, the suite 300 MB, into ~/.cache/testudo-mcp once; then 1-3 min)
  mock [ADDRESS] [key=value]...
                          the mock upstream, until standard input closes
  ocsf                    exports of the ledger against the OCSF schema, encrypted ones against age
                          (installs 20 MB and age once; then 10 s)
  e2e [--direct]          official SDKs against a real model, direct and through the gateway, bodies
                          compared byte by byte (installs 200 MB once; then about 1 min)
  train [FOLDER] [--ship] the small injection model from the corpora in FOLDER (../shared/data): rows, weights,
                          thresholds and model card under target/train; --ship puts them into the repository
                          (release build 2 min once; then about 5 min)
  peers detect [--data FILE] [--rows N] [--only injection|personal|secrets]
                          our detectors and six other projects' on the same rows: recall, precision, speed
                          (installs 700 MB into ~/.cache/testudo-peers once; then about 10 min)
  peers models-signing [--upstream FOLDER] [--conformance SUITE SPECIFICATION] [--bundles FOLDER]
                       [--speed GIGABYTES | --speed-only GIGABYTES] [--ours PROGRAM]
                          signatures of models, ours and the Python model-signing's, each verified by the other;
                          FOLDER is a checkout of model-transparency, whose old signatures are verified too;
                          SUITE one of model-signing-conformance, which is run, with the schemas of
                          SPECIFICATION, one of model-signing-spec; --bundles takes one of
                          sigstore-conformance, whose bundles are verified; --speed signs so large a model
                          with both (release build, or PROGRAM)
                          (installs 100 MB into ~/.cache/testudo-peers once; then 1 min)
  peers models [--picklescan CHECKOUT] [--modelaudit CHECKOUT] [--fickling CHECKOUT] [--only TOOL] [--corpus NAME]
         [--processes N] [--resume] [--speed-only]
                          our scanner of model files and four others on files by real savers, on models in packages,
                          on bypasses and on the tests of the others; an hour, mostly theirs, and a quarter more from an
                          empty cache (9 GB); --resume goes on with an interrupted run, --speed-only times them alone
                          on the same files (some minutes, on a quiet machine)
  peers models-weights    what `testudo model weights` says, against numpy, on files by the real savers
  peers mlflow [--ours PROGRAM]
                          MLflow's own clients, old and new, against a vault that `testudo serve` shows them
                          (installs 1 GB into ~/.cache/testudo-peers once; then about 2 min)
                          (installs 5 GB into ~/.cache/testudo-peers once, release build; then 1 min)
  s3                      the ledger's copy and vaults in an S3 server (installs 100 MB once; builds with features
                          of their own once, 5 min; then about 1 min)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::problem(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> anyhow::Result<()> {
    let (task, rest) = match arguments.split_first() {
        Some((task, rest)) => (task.as_str(), rest),
        None => ("help", arguments),
    };
    match task {
        "help" | "--help" | "-h" => {
            output::text(HELP);
            Ok(())
        }
        "agent" => agent::agent(rest),
        "test" => suite::test(rest),
        "bench" => bench::bench(rest),
        "bench-measure" => bench::measure(rest),
        "bench-query" => query_bench::run(rest),
        "bench-detect" => detect_bench::run(rest),
        "bench-agents" => agents_bench::run(rest),
        "bench-ledger" => ledger_bench::bench(rest),
        "bench-ledger-measure" => ledger_bench::measure(rest),
        "crash" => crash::crash(rest),
        "crash-vault" => vault_crash::crash(rest),
        "bench-vault" => vault_bench::bench(rest),
        "crash-writer" => crash::writer(rest),
        "mcp" => mcp::mcp(rest),
        "mock" => mock::mock(rest),
        "exchange" => exchange::run(rest),
        "fuzz" => fuzz::fuzz(rest),
        "instructions" => instructions::instructions(rest),
        "soak" => soak::soak(rest),
        "train" => train::train(rest),
        "ledger-peers" => ledger_peers::ledger_peers(rest),
        "ocsf" => ocsf::run(rest),
        "e2e" => e2e::e2e(rest),
        "hsm" => hsm::hsm(rest),
        "peers" => peers::peers(rest),
        "s3" => s3::s3(rest),
        other => bail!("there is no task `{other}`; `cargo xtask` lists them"),
    }
}
