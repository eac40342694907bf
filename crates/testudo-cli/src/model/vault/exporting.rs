//! `testudo model export`: a version, and what vouches for it, as an OCI layout.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde::Serialize;
use testudo_formats::{About, Options, Source as _};
use testudo_vault::oci::{BILL_TYPE, BUNDLE_TYPE, LayerKind, LayoutWriter, SCAN_TYPE, Written};
use testudo_vault::signing::ResourceName;
use testudo_vault::vault::VersionId;
use tokio::runtime::Handle;

use super::content::{Chosen, Content, choose, read};
use super::opened::{Missing, within};
use crate::arguments::model::bom::Said;
use crate::arguments::model::exchange::Export;
use crate::environment::Variables;
use crate::exit::Exit;
use crate::model::bill::{format, is_model};
use crate::model::bom::{Gathered, described};
use crate::model::scan::{Judged, object};
use crate::output::{counted, printable};

/// The largest signature that is put beside a model.
const SIGNATURE_BYTES_MAX: u64 = 256 << 20;

pub(crate) async fn export(
    arguments: &Export,
    variables: &dyn Variables,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let options = Options {
        also_allowed: arguments.allowed.clone(),
        ..Options::default()
    };
    let written = within(&arguments.place, variables, Missing::Refuse, async |opened| {
        let (version, alias) = (arguments.version.as_deref(), arguments.alias.as_deref());
        let chosen = choose(opened, &arguments.artifact, version, alias, "export").await?;
        let tag = arguments.tag.clone().or_else(|| arguments.alias.clone());
        let tag = tag.unwrap_or_else(|| VersionId::short(&chosen.version));
        let packing = Packing {
            chosen,
            options: options.clone(),
            said: arguments.said.clone(),
            tag,
            to: arguments.oci_layout.clone(),
            runtime: Handle::current(),
        };
        tokio::task::spawn_blocking(move || packing.pack()).await?
    })
    .await?;
    writeln!(
        out,
        "{} in {}: {}, {} beside it",
        written.digest,
        printable(&arguments.oci_layout.display().to_string()),
        counted(written.layers, "layer"),
        counted(written.referrers, "manifest")
    )?;
    Ok(Exit::Done)
}

struct Packing {
    chosen: Chosen,
    options: Options,
    said: Said,
    tag: String,
    to: PathBuf,
    runtime: Handle,
}

impl Packing {
    fn pack(self) -> anyhow::Result<Written> {
        let Chosen { artifact, record, .. } = &self.chosen;
        let gathered = read(&self.chosen, &self.options, &self.runtime)?;
        let mut writer = LayoutWriter::create(&self.to)?;
        for (file, judged) in record.files().iter().zip(&gathered.files) {
            let name = ResourceName::parse(file.name())?;
            let content = Content::new(artifact, file, self.runtime.clone());
            let digest = writer.file(&name, kind(&name, judged), &mut reading(&content))?;
            if digest != file.digest() {
                bail!("`{name}` is not what was pushed");
            }
        }
        if let Some(file) = record.signature() {
            let content = Content::new(artifact, file, self.runtime.clone());
            if file.bytes() > SIGNATURE_BYTES_MAX {
                bail!("the signature is larger than {SIGNATURE_BYTES_MAX} bytes");
            }
            let mut bytes = Vec::new();
            let mut piece = vec![0_u8; 1 << 20];
            let mut read = reading(&content);
            loop {
                let count = read(&mut piece)?;
                match piece.get(..count) {
                    Some(part) if count > 0 => bytes.extend_from_slice(part),
                    _ => break,
                }
            }
            writer.vouch(BUNDLE_TYPE, &bytes)?;
        }
        let mut report = String::new();
        for judged in &gathered.files {
            report.push_str(&object(judged).to_string());
            report.push('\n');
        }
        let config = configuration(&gathered, &self.said, &self.tag, writer.diff_ids())?;
        writer.vouch(BILL_TYPE, &described(gathered, &self.said).write()?)?;
        writer.vouch(SCAN_TYPE, report.as_bytes())?;
        Ok(writer.finish(&config, &self.tag)?)
    }
}

/// From its beginning to its end.
fn reading(content: &Content<'_>) -> impl FnMut(&mut [u8]) -> io::Result<usize> {
    let mut at = 0_u64;
    move |into| {
        let count = content.read_at(at, into)?;
        at = at.saturating_add(u64::try_from(count).unwrap_or(0));
        Ok(count)
    }
}

/// By content, and then by name.
fn kind(name: &ResourceName, judged: &Judged) -> LayerKind {
    if is_model(format(judged)) {
        return LayerKind::Weight;
    }
    let name = name.as_str().to_ascii_lowercase();
    let file = name.rsplit('/').next().unwrap_or(&name);
    let ends = |ends: &[&str]| ends.iter().any(|end| file.ends_with(end));
    if ends(&[".py", ".ipynb", ".sh", ".cpp", ".cu", ".rs", ".js", ".ts"]) {
        LayerKind::Code
    } else if ends(&[".md", ".pdf", ".rst", ".png", ".jpg", ".svg"])
        || ["license", "licence", "notice", "copying", "readme"]
            .iter()
            .any(|it| file.starts_with(it))
    {
        LayerKind::Doc
    } else if ends(&[".parquet", ".csv", ".arrow", ".jsonl", ".tfrecord"]) {
        LayerKind::Dataset
    } else if ends(&[
        ".bin",
        ".pt",
        ".pth",
        ".safetensors",
        ".gguf",
        ".onnx",
        ".h5",
        ".pkl",
        ".joblib",
    ]) {
        LayerKind::Weight
    } else {
        LayerKind::WeightConfig
    }
}

/// As ModelPack has it.
#[derive(Serialize)]
struct Model<'m> {
    descriptor: General<'m>,
    modelfs: Fs,
    config: Technical<'m>,
}

#[derive(Serialize)]
struct General<'m> {
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<&'m str>,
    name: &'m str,
    version: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor: Option<&'m str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'m str>,
}

#[derive(Serialize)]
struct Fs {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "diffIds")]
    diff_ids: Vec<String>,
}

#[derive(Serialize)]
struct Technical<'m> {
    #[serde(skip_serializing_if = "Option::is_none")]
    architecture: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'m str>,
    #[serde(rename = "paramSize", skip_serializing_if = "Option::is_none")]
    parameters: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    precision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantization: Option<&'m str>,
    capabilities: Capabilities<'m>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Capabilities<'m> {
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    input_types: &'m [&'m str],
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    output_types: &'m [&'m str],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    languages: Vec<&'m str>,
}

fn configuration(gathered: &Gathered, said: &Said, tag: &str, diff_ids: Vec<String>) -> anyhow::Result<Vec<u8>> {
    let about = &gathered.about;
    let licences = crate::model::bom::licences(about, &said.licences);
    let weights = gathered.files.iter().find(|it| is_model(format(it)));
    let (input_types, output_types) = about.modalities().unwrap_or_default();
    let languages = about.languages.iter().map(String::as_str);
    let model = Model {
        descriptor: General {
            family: about.family.as_deref(),
            name: said.name.as_deref().or(about.name.as_deref()).unwrap_or(&gathered.name),
            version: said.model_version.as_deref().unwrap_or(tag),
            vendor: said.supplier.as_deref(),
            licenses: licences.iter().map(|it| it.as_str().to_owned()).collect(),
            description: about.description.as_deref(),
        },
        modelfs: Fs {
            kind: "layers",
            diff_ids,
        },
        config: Technical {
            architecture: about.architecture.as_deref(),
            format: weights.map(format),
            parameters: (about.parameters > 0).then(|| scaled(about.parameters)),
            precision: precision(about),
            quantization: about.quantization.as_deref(),
            capabilities: Capabilities {
                input_types,
                output_types,
                languages: languages
                    .filter(|it| it.len() == 2 && it.bytes().all(|byte| byte.is_ascii_lowercase()))
                    .collect(),
            },
        },
    };
    serde_json::to_vec(&model).context("the configuration cannot be written")
}

/// A count with one digit behind the point, such as 22.7m.
fn scaled(count: u64) -> String {
    let units = [
        (1_000_000_000_000_000, 'q'),
        (1_000_000_000_000, 't'),
        (1_000_000_000, 'b'),
        (1_000_000, 'm'),
    ];
    let (unit, letter) = units
        .into_iter()
        .find(|(unit, _)| count >= *unit)
        .unwrap_or((1_000, 'k'));
    let tenths = count.saturating_mul(10).checked_div(unit).unwrap_or(0);
    match tenths % 10 {
        0 => format!("{}{letter}", tenths / 10),
        tenth => format!("{}.{tenth}{letter}", tenths / 10),
    }
}

/// Those that the specification knows, the most frequent first.
fn precision(about: &About) -> Option<String> {
    let known = |name: &str| name.starts_with(|c: char| c.is_ascii_lowercase()) && name != "other";
    let mut found: Vec<_> = about.precisions.iter().filter(|(name, _)| known(name)).collect();
    found.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    (!names.is_empty()).then(|| names.join(","))
}
