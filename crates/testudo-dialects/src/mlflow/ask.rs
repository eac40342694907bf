//! What an MLflow client asks for, read from the method, the path and the query alone.

use testudo_bounded::json::{Document, Limits};

use super::fault::Fault;
use super::query::{Query, segments};

const REGISTRY: &str = "/api/2.0/mlflow/";
const ARTIFACTS: &str = "/api/2.0/mlflow-artifacts/artifacts";
const PARTS: &str = "/api/2.0/mlflow-artifacts/mpu/";
/// Digits of the greatest version number.
const NUMBER_DIGITS_MAX: usize = 9;
/// Bytes of a body at most.
pub const BODY_BYTES_MAX: usize = 64 << 10;
const LIMITS: Limits = Limits {
    bytes_max: BODY_BYTES_MAX,
    depth_max: 4,
    nodes_max: 128,
};
/// Stages that somebody may name at once.
const STAGES_MAX: usize = 16;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Whether it is alive.
    Health,
    ServerVersion,
    Model {
        name: String,
    },
    Models(Search),
    Latest {
        name: String,
        stages: Vec<String>,
    },
    Version {
        name: String,
        number: u64,
    },
    Versions(Search),
    DownloadUri {
        name: String,
        number: u64,
    },
    Alias {
        name: String,
        alias: String,
    },
    List(Place),
    Download(Place),
}

impl Ask {
    /// The name used in logs and metrics.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::ServerVersion => "server_version",
            Self::Model { .. } => "model",
            Self::Models(_) => "search_models",
            Self::Latest { .. } => "latest",
            Self::Version { .. } => "version",
            Self::Versions(_) => "search_versions",
            Self::DownloadUri { .. } => "download_uri",
            Self::Alias { .. } => "alias",
            Self::List(_) => "list",
            Self::Download(_) => "download",
        }
    }
}

/// What is searched for, as it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    pub filter: Option<String>,
    pub max_results: Option<u64>,
    pub order_by: Vec<String>,
    pub page_token: Option<String>,
}

/// A place in a version: `llama/3/tokenizer/vocab.json`. No part is empty, `.` or `..`, or has a separator in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub name: String,
    pub number: u64,
    pub path: Vec<String>,
}

impl Place {
    /// From parts that were taken apart and decoded.
    fn new(parts: Vec<String>) -> Result<Self, Fault> {
        let mut parts = parts.into_iter();
        let (Some(name), Some(number)) = (parts.next(), parts.next()) else {
            return Err(Fault::not_found("artifacts lie at NAME/VERSION/FILE"));
        };
        Ok(Self {
            name,
            number: self::number(&number)?,
            path: parts.collect(),
        })
    }

    /// The path inside the version.
    #[must_use]
    pub fn inside(&self) -> String {
        self.path.join("/")
    }
}

/// Reads a question; `path` is what follows the door's own path, `body` is empty unless [`takes_body`].
///
/// # Errors
/// When nothing is asked that is answered here; what would write says which command does it.
pub fn read(method: &str, path: &str, query: Option<&str>, body: &[u8]) -> Result<Ask, Fault> {
    if let Some(rest) = path.strip_prefix(ARTIFACTS) {
        return artifacts(method, rest, query);
    }
    if path.starts_with(PARTS) {
        return Err(Fault::read_only("`testudo model push` puts files into the vault"));
    }
    let Some(endpoint) = path.strip_prefix(REGISTRY) else {
        return outside(method, path);
    };
    if method == "POST" && endpoint == "registered-models/get-latest-versions" {
        return latest_of_body(body);
    }
    if method != "GET" {
        return Err(writing(method, endpoint));
    }
    let query = Query::read(query.unwrap_or_default())?;
    let name = || query.required("name");
    Ok(match endpoint {
        "registered-models/get" => Ask::Model { name: name()? },
        "registered-models/search" | "registered-models/list" => Ask::Models(search(&query)?),
        "registered-models/get-latest-versions" => latest(name()?, query.all("stages"))?,
        "registered-models/alias" => Ask::Alias {
            name: name()?,
            alias: query.required("alias")?,
        },
        "model-versions/get" => Ask::Version {
            name: name()?,
            number: number(&query.required("version")?)?,
        },
        "model-versions/search" => Ask::Versions(search(&query)?),
        "model-versions/get-download-uri" => Ask::DownloadUri {
            name: name()?,
            number: number(&query.required("version")?)?,
        },
        _ => return Err(Fault::no_endpoint()),
    })
}

/// Whether a request to this path has a body that [`read`] has to see.
#[must_use]
pub fn takes_body(method: &str, path: &str) -> bool {
    method == "POST" && path.strip_prefix(REGISTRY) == Some("registered-models/get-latest-versions")
}

fn outside(method: &str, path: &str) -> Result<Ask, Fault> {
    match (method, path) {
        ("GET", "/health") => Ok(Ask::Health),
        ("GET", "/version") => Ok(Ask::ServerVersion),
        _ => Err(Fault::no_endpoint()),
    }
}

fn artifacts(method: &str, rest: &str, query: Option<&str>) -> Result<Ask, Fault> {
    let below = rest.strip_prefix('/').filter(|below| !below.is_empty());
    match (method, below) {
        ("GET", Some(below)) => Ok(Ask::Download(Place::new(segments(below)?)?)),
        ("GET", None) if rest.is_empty() || rest == "/" => {
            let query = Query::read(query.unwrap_or_default())?;
            let path = query.required("path")?;
            // Query texts are decoded already; what still looks encoded is part of a name.
            let parts: Vec<String> = path.trim_end_matches('/').split('/').map(str::to_owned).collect();
            if parts.iter().all(|part| is_plain(part)) {
                Ok(Ask::List(Place::new(parts)?))
            } else {
                Err(Fault::invalid("the path is not one inside a version"))
            }
        }
        ("PUT", Some(_)) => Err(Fault::read_only("`testudo model push` puts files into the vault")),
        ("DELETE", Some(_)) => Err(Fault::read_only(
            "`testudo model revoke` takes a version back, and `testudo model gc` deletes",
        )),
        _ => Err(Fault::no_endpoint()),
    }
}

/// Whether a text is one part of a path, and leads nowhere else.
pub(super) fn is_plain(part: &str) -> bool {
    !matches!(part, "" | "." | "..") && !part.contains(['/', '\\']) && !part.contains(char::is_control)
}

fn search(query: &Query) -> Result<Search, Fault> {
    let max_results = query.optional("max_results")?;
    let max_results = max_results.map(|text| {
        let number = text.parse::<u64>().ok().filter(|it| *it > 0 && text.len() <= 12);
        number.ok_or(Fault::invalid("max_results is a number above 0"))
    });
    Ok(Search {
        filter: query.optional("filter")?.filter(|it| !it.trim().is_empty()),
        max_results: max_results.transpose()?,
        order_by: query.all("order_by"),
        page_token: query.optional("page_token")?.filter(|it| !it.is_empty()),
    })
}

fn latest(name: String, stages: Vec<String>) -> Result<Ask, Fault> {
    if stages.len() > STAGES_MAX {
        return Err(Fault::invalid("there are too many stages"));
    }
    Ok(Ask::Latest { name, stages })
}

fn latest_of_body(body: &[u8]) -> Result<Ask, Fault> {
    let document = Document::parse(body, &LIMITS).map_err(|_| Fault::invalid("the body is no JSON that is taken"))?;
    let root = document.root();
    let text = |node: testudo_bounded::json::Node<'_>| node.as_str().map(std::borrow::Cow::into_owned);
    let name = root.get("name").and_then(text);
    let name = name.filter(|it| !it.is_empty()).ok_or(Fault::missing("name"))?;
    let stages = match root.get("stages") {
        None => Vec::new(),
        Some(stages) => {
            let texts: Option<Vec<String>> = stages.items().map(text).collect();
            texts.ok_or(Fault::invalid("stages are texts"))?
        }
    };
    latest(name, stages)
}

/// A version number: decimal digits, as numbers are written.
fn number(text: &str) -> Result<u64, Fault> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let sound = digits && text.len() <= NUMBER_DIGITS_MAX && !text.starts_with('0');
    let number = text.parse().ok().filter(|_| sound);
    number.ok_or(Fault::invalid("a version is a number from 1 on"))
}

/// Which command does what a client wants to write.
fn writing(method: &str, endpoint: &str) -> Fault {
    match (method, endpoint) {
        (_, "registered-models/create" | "model-versions/create") => {
            Fault::read_only("`testudo model push NAME FOLDER` makes artifacts and versions")
        }
        ("POST", "registered-models/alias") | (_, "model-versions/transition-stage") => {
            Fault::read_only("`testudo model promote NAME VERSION --alias ALIAS` moves an alias by a signed statement")
        }
        ("DELETE", "registered-models/alias") => {
            Fault::read_only("aliases are not removed: `testudo model promote` and `testudo model rollback` move them")
        }
        (_, "model-versions/delete" | "registered-models/delete") => {
            Fault::read_only("`testudo model revoke NAME VERSION` takes a version back, and `testudo model gc` deletes")
        }
        (
            _,
            "registered-models/rename"
            | "registered-models/update"
            | "registered-models/set-tag"
            | "registered-models/delete-tag"
            | "model-versions/update"
            | "model-versions/set-tag"
            | "model-versions/delete-tag",
        ) => Fault::read_only(
            "names, descriptions and tags follow from what was pushed and stated; `testudo model show` prints it",
        ),
        _ => Fault::no_endpoint(),
    }
}
