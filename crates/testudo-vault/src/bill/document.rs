//! CycloneDX 1.6 as it is written: the members in the order in which they are written.

use serde::Serialize;

pub(super) const SCHEMA: &str = "http://cyclonedx.org/schema/bom-1.6.schema.json";
pub(super) const FORMAT: &str = "CycloneDX";
pub(super) const VERSION: &str = "1.6";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'b> {
    #[serde(rename = "$schema")]
    pub(super) schema: &'static str,
    pub(super) bom_format: &'static str,
    pub(super) spec_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) serial_number: Option<String>,
    pub(super) version: u32,
    pub(super) metadata: Metadata<'b>,
    pub(super) components: Vec<Component<'b>>,
    pub(super) dependencies: Vec<Dependency>,
}

#[derive(Debug, Serialize)]
pub(super) struct Metadata<'b> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timestamp: Option<&'b str>,
    pub(super) tools: Tools<'b>,
    pub(super) component: Component<'b>,
}

#[derive(Debug, Serialize)]
pub(super) struct Tools<'b> {
    pub(super) components: [Component<'b>; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dependency {
    #[serde(rename = "ref")]
    pub(super) of: String,
    pub(super) depends_on: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Component<'b> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(rename = "bom-ref", skip_serializing_if = "Option::is_none")]
    pub(super) bom_ref: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) supplier: Option<Organization<'b>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) authors: Vec<Organization<'b>>,
    pub(super) name: &'b str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<&'b str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'b str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) hashes: Vec<Hash<'b>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) licenses: Vec<LicenceChoice<'b>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) purl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pedigree: Option<Pedigree<'b>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) external_references: Vec<Reference<'b>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model_card: Option<ModelCard<'b>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) properties: Vec<Property<'b>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) tags: &'b [String],
}

#[derive(Debug, Serialize)]
pub(super) struct Organization<'b> {
    pub(super) name: &'b str,
}

#[derive(Debug, Serialize)]
pub(super) struct Hash<'b> {
    pub(super) alg: &'static str,
    pub(super) content: &'b str,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum LicenceChoice<'b> {
    Licence { license: LicenceBody<'b> },
    Expression { expression: &'b str },
}

#[derive(Debug, Serialize)]
pub(super) struct LicenceBody<'b> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'b str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'b str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<&'b str>,
}

#[derive(Debug, Serialize)]
pub(super) struct Pedigree<'b> {
    pub(super) ancestors: Vec<Component<'b>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) notes: Option<&'b str>,
}

#[derive(Debug, Serialize)]
pub(super) struct Reference<'b> {
    pub(super) url: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) hashes: Vec<Hash<'b>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Property<'b> {
    pub(super) name: String,
    pub(super) value: &'b str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ModelCard<'b> {
    pub(super) model_parameters: Parameters<'b>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quantitative_analysis: Option<Analysis<'b>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) considerations: Option<Considerations<'b>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters<'b> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) task: Option<&'b str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) architecture_family: Option<&'b str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model_architecture: Option<&'b str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) datasets: Vec<Dataset<'b>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) inputs: Vec<Port<'b>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) outputs: Vec<Port<'b>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Dataset<'b> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) name: &'b str,
}

#[derive(Debug, Serialize)]
pub(super) struct Port<'b> {
    pub(super) format: &'b str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Analysis<'b> {
    pub(super) performance_metrics: Vec<Metric<'b>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Metric<'b> {
    #[serde(rename = "type")]
    pub(super) kind: &'b str,
    pub(super) value: &'b str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) slice: Option<&'b str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Considerations<'b> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) use_cases: Vec<&'b str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) technical_limitations: Vec<&'b str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ethical_considerations: Vec<Risk<'b>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Risk<'b> {
    pub(super) name: &'b str,
}
