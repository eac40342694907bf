//! Which definitions of tools a person has approved, and which were seen: two small files per server in the state folder.
//!
//! The gateway writes what it sees, the command line what is approved; neither writes the other's file.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;
use serde_json::{Value, json};
use testudo_bounded::json::{Document, Kind, Limits, Node};
use testudo_dialects::mcp::ServerName;
use testudo_types::UnixMillis;

/// The folder of pins in the state folder.
pub const FOLDER: &str = "mcp";
const FILE_BYTES_MAX: usize = 16 << 20;
const LIMITS: Limits = Limits {
    bytes_max: FILE_BYTES_MAX,
    depth_max: 160,
    nodes_max: 1_000_000,
};

/// How many files this process has begun to write.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// SHA-256 of a definition in its canonical spelling.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PinDigest([u8; 32]);

impl PinDigest {
    /// Of canonical bytes.
    #[must_use]
    pub fn of(canonical: &[u8]) -> Self {
        let hash = digest::digest(&digest::SHA256, canonical);
        Self(hash.as_ref().try_into().unwrap_or_default())
    }

    /// The digest that 64 hexadecimal digits spell.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    pub(crate) fn bytes(self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Display for PinDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PinDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinDigest({self})")
    }
}

/// What a definition is to the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinState {
    /// Exactly as a person approved it.
    Approved,
    /// Never approved.
    New,
    /// Not as it was approved.
    Changed,
    /// Nobody can approve it: why.
    Refused(String),
}

impl PinState {
    /// The name in files and tables.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::New => "new",
            Self::Changed => "changed",
            Self::Refused(_) => "refused",
        }
    }
}

/// A tool as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenTool {
    pub name: String,
    pub digest: PinDigest,
    /// Why nobody can approve it.
    pub refused: Option<String>,
    /// In its canonical spelling.
    pub definition: String,
}

/// Why pins cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PinsProblem {
    #[error("the file `{path}` cannot be read or written")]
    File {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the file `{path}` is not one that testudo wrote; move it away and approve the tools again")]
    Unreadable { path: String },
    #[error(
        "the server `{server}` was not seen to have a tool `{tool}`; start the gateway, or look at `testudo mcp list`"
    )]
    Unseen { server: String, tool: String },
    #[error("`{tool}` cannot be approved: {why}")]
    Refused { tool: String, why: String },
    #[error("`{tool}` is not the definition that was named; look at `testudo mcp show` again")]
    Other { tool: String },
}

/// The folder of pins.
#[derive(Debug)]
pub struct Pins {
    folder: PathBuf,
    known: Mutex<BTreeMap<ServerName, Known>>,
}

/// Approved definitions as they were read, and of which file.
#[derive(Debug, Clone)]
struct Known {
    stamp: (i64, i64, u64, u64),
    approved: BTreeMap<String, PinDigest>,
}

impl Pins {
    /// Of a state folder; nothing is read or made yet.
    #[must_use]
    pub fn new(state: &Path) -> Self {
        Self {
            folder: state.join(FOLDER),
            known: Mutex::default(),
        }
    }

    fn approved_file(&self, server: &ServerName) -> PathBuf {
        self.folder.join(format!("{server}.approved.json"))
    }

    fn seen_file(&self, server: &ServerName) -> PathBuf {
        self.folder.join(format!("{server}.seen.json"))
    }

    /// The approved definitions of a server by tool; none when there is no file.
    ///
    /// # Errors
    /// When the file cannot be read: then nothing counts as approved.
    pub fn approved(&self, server: &ServerName) -> Result<BTreeMap<String, PinDigest>, PinsProblem> {
        let path = self.approved_file(server);
        let stamp = match fs::metadata(&path) {
            Ok(metadata) => (metadata.mtime(), metadata.mtime_nsec(), metadata.ino(), metadata.len()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(source) => return Err(problem(&path, source)),
        };
        if let Some(known) = self.known().get(server).filter(|known| known.stamp == stamp) {
            return Ok(known.approved.clone());
        }
        let approved: BTreeMap<String, PinDigest> = read(&path, |name, tool| {
            let digest = tool.get("digest")?.as_str()?;
            Some((name.to_owned(), PinDigest::parse(&digest)?))
        })?
        .into_iter()
        .collect();
        let known = Known {
            stamp,
            approved: approved.clone(),
        };
        self.known().insert(server.clone(), known);
        Ok(approved)
    }

    /// What a server was last seen to have.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn seen(&self, server: &ServerName) -> Result<Vec<SeenTool>, PinsProblem> {
        let path = self.seen_file(server);
        if !path.exists() {
            return Ok(Vec::new());
        }
        read(&path, |name, tool| {
            Some(SeenTool {
                name: name.to_owned(),
                digest: PinDigest::parse(&tool.get("digest")?.as_str()?)?,
                refused: tool.get("refused").and_then(|it| it.as_str()).map(Into::into),
                definition: tool.get("definition")?.as_str()?.into_owned(),
            })
        })
    }

    /// The servers of which something was seen or approved.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn servers(&self) -> Result<Vec<ServerName>, PinsProblem> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(problem(&self.folder, source)),
        };
        let mut servers: Vec<ServerName> = entries
            .filter_map(|entry| {
                let name = entry.ok()?.file_name().into_string().ok()?;
                let stem = name
                    .strip_suffix(".seen.json")
                    .or_else(|| name.strip_suffix(".approved.json"))?;
                ServerName::parse(stem).ok()
            })
            .collect();
        servers.sort();
        servers.dedup();
        Ok(servers)
    }

    /// Remembers what a server has; writes only when that has changed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note(&self, server: &ServerName, tools: &[SeenTool]) -> Result<(), PinsProblem> {
        if self.seen(server).is_ok_and(|seen| seen == tools) && !tools.is_empty() {
            return Ok(());
        }
        let tools: Vec<(String, Value)> = tools
            .iter()
            .map(|tool| {
                let value = json!({
                    "digest": tool.digest.to_string(),
                    "refused": tool.refused,
                    "definition": tool.definition,
                });
                (tool.name.clone(), value)
            })
            .collect();
        self.write(&self.seen_file(server), tools)
    }

    /// Approves a tool as it was last seen, and gives what was approved.
    ///
    /// # Errors
    /// When it was not seen, is refused, or is not `only`; or when the file cannot be written.
    pub fn approve(
        &self,
        server: &ServerName,
        tool: &str,
        only: Option<PinDigest>,
        at: UnixMillis,
    ) -> Result<SeenTool, PinsProblem> {
        let seen = self.seen(server)?.into_iter().find(|it| it.name == tool);
        let seen = seen.ok_or_else(|| PinsProblem::Unseen {
            server: server.to_string(),
            tool: tool.to_owned(),
        })?;
        if let Some(why) = &seen.refused {
            return Err(PinsProblem::Refused {
                tool: tool.to_owned(),
                why: why.clone(),
            });
        }
        if only.is_some_and(|only| only != seen.digest) {
            return Err(PinsProblem::Other { tool: tool.to_owned() });
        }
        let digest = seen.digest.to_string();
        self.change(server, |tools| {
            tools.retain(|(name, _)| name != tool);
            tools.push((tool.to_owned(), json!({"digest": digest, "at": at.0})));
        })?;
        Ok(seen)
    }

    /// Takes an approval back; false when there was none.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn withdraw(&self, server: &ServerName, tool: &str) -> Result<bool, PinsProblem> {
        let mut had = false;
        self.change(server, |tools| {
            let before = tools.len();
            tools.retain(|(name, _)| name != tool);
            had = tools.len() < before;
        })?;
        Ok(had)
    }

    fn change(&self, server: &ServerName, with: impl FnOnce(&mut Vec<(String, Value)>)) -> Result<(), PinsProblem> {
        let path = self.approved_file(server);
        let mut tools = if path.exists() {
            read(&path, |name, tool| {
                let at = tool.get("at").and_then(|it| it.as_u64());
                let digest = tool.get("digest")?.as_str()?.into_owned();
                Some((name.to_owned(), json!({"digest": digest, "at": at})))
            })?
        } else {
            Vec::new()
        };
        with(&mut tools);
        tools.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.write(&path, tools)
    }

    /// Whole or not at all: another name first, then the right one.
    fn write(&self, path: &Path, tools: Vec<(String, Value)>) -> Result<(), PinsProblem> {
        let failed = |source| problem(path, source);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(failed)?;
        let tools: serde_json::Map<String, Value> = tools.into_iter().collect();
        let text = json!({"version": 1, "tools": tools}).to_string();
        // Nobody else's, in this process or another: a shared one could be renamed while it is written anew.
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let beside = path.with_extension(format!("{}-{number}.new", std::process::id()));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)
            .map_err(failed)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&beside, path))
            .map_err(failed)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<ServerName, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn problem(path: &Path, source: std::io::Error) -> PinsProblem {
    PinsProblem::File {
        path: path.display().to_string(),
        source,
    }
}

/// The tools of one file; one that is not understood makes the whole file unreadable.
fn read<T>(path: &Path, tool: impl Fn(&str, Node<'_>) -> Option<T>) -> Result<Vec<T>, PinsProblem> {
    let unreadable = || PinsProblem::Unreadable {
        path: path.display().to_string(),
    };
    let bytes = testudo_bounded::read_file(path, FILE_BYTES_MAX).map_err(|_| unreadable())?;
    let document = Document::parse(&bytes, &LIMITS).map_err(|_| unreadable())?;
    let root = document.root();
    let tools = root.get("tools").filter(|it| it.kind() == Kind::Object);
    let version = root.get("version").and_then(|it| it.as_u64());
    let tools = tools.filter(|_| version == Some(1)).ok_or_else(unreadable)?;
    tools
        .entries()
        .map(|(_, value)| {
            let name = value.key_text()?;
            tool(&name, value)
        })
        .collect::<Option<Vec<T>>>()
        .ok_or_else(unreadable)
}
