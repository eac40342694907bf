//! Provenance, written.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{PREDICATE_TYPE, ROOT};
use crate::signing::{Bundle, BundleError, Signer};

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// Why nothing was attested.
#[derive(Debug, thiserror::Error)]
pub enum AttestError {
    #[error("there is no file to attest")]
    NoSubject,
    #[error("the statement cannot be written")]
    Write(#[from] serde_json::Error),
    #[error("the bundle cannot be written")]
    Bundle(#[from] BundleError),
}

/// A file that came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subject {
    pub name: String,
    /// By algorithm, in hexadecimal digits.
    pub digest: BTreeMap<String, String>,
}

/// Something that went in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Dependency {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// By algorithm; `sha256` and `gitCommit` mostly.
    pub digest: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What is attested.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Provenance {
    pub subjects: Vec<Subject>,
    /// The root digest of OpenSSF Model Signing over the subjects, in hexadecimal digits.
    pub root: Option<String>,
    pub build_type: String,
    /// What whoever started the run could choose.
    pub external_parameters: Map<String, Value>,
    pub dependencies: Vec<Dependency>,
    pub builder: String,
    pub invocation: Option<String>,
    /// As RFC 3339 has it.
    pub started: Option<String>,
    pub finished: Option<String>,
}

#[derive(Serialize)]
struct Statement<'p> {
    #[serde(rename = "_type")]
    kind: &'static str,
    subject: &'p [Subject],
    #[serde(rename = "predicateType")]
    predicate_type: &'static str,
    predicate: Predicate<'p>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Predicate<'p> {
    build_definition: Definition<'p>,
    run_details: Details<'p>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Definition<'p> {
    build_type: &'p str,
    external_parameters: &'p Map<String, Value>,
    resolved_dependencies: &'p [Dependency],
}

#[derive(Serialize)]
struct Details<'p> {
    builder: Builder<'p>,
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    metadata: Metadata<'p>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    byproducts: Vec<Dependency>,
}

#[derive(Serialize)]
struct Builder<'p> {
    id: &'p str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'p> {
    #[serde(skip_serializing_if = "Option::is_none")]
    invocation_id: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_on: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_on: Option<&'p str>,
}

impl Metadata<'_> {
    fn is_empty(&self) -> bool {
        self.invocation_id.is_none() && self.started_on.is_none() && self.finished_on.is_none()
    }
}

impl Provenance {
    /// The bundle around the signed statement.
    ///
    /// # Errors
    /// When there is no subject, or the key does not sign.
    pub fn sign(&self, signer: &Signer) -> Result<Vec<u8>, AttestError> {
        Ok(Bundle::around(self.statement()?, signer)?)
    }

    /// The statement that is signed.
    pub(crate) fn statement(&self) -> Result<Vec<u8>, AttestError> {
        if self.subjects.is_empty() {
            return Err(AttestError::NoSubject);
        }
        let root = self.root.iter().map(|root| Dependency {
            digest: BTreeMap::from([("sha256".to_owned(), root.clone())]),
            name: Some(ROOT.to_owned()),
            ..Dependency::default()
        });
        let statement = Statement {
            kind: STATEMENT_TYPE,
            subject: &self.subjects,
            predicate_type: PREDICATE_TYPE,
            predicate: Predicate {
                build_definition: Definition {
                    build_type: &self.build_type,
                    external_parameters: &self.external_parameters,
                    resolved_dependencies: &self.dependencies,
                },
                run_details: Details {
                    builder: Builder { id: &self.builder },
                    metadata: Metadata {
                        invocation_id: self.invocation.as_deref(),
                        started_on: self.started.as_deref(),
                        finished_on: self.finished.as_deref(),
                    },
                    byproducts: root.collect(),
                },
            },
        };
        Ok(serde_json::to_vec(&statement)?)
    }
}
