//! The first start: project `default` with an ingest, a read and an admin key, written to a file that only its owner reads.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use meta::StoreError;
use meta::keys::{Keys, NewKey, Reach};
use meta::projects::{ProjectError, Projects};
use model::{ProjectId, Scope};
use serde::{Deserialize, Serialize};

/// The project that the first start makes.
const FIRST_PROJECT: &str = "default";

/// `<data>/credentials.json`; the command line reads it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    pub project: String,
    pub ingest_key: String,
    pub read_key: String,
    pub admin_key: String,
    pub otlp_url: String,
    pub api_url: String,
}

impl Credentials {
    /// As an earlier start wrote them, with the addresses of this one.
    pub fn read(path: &Path, otlp_url: String, api_url: String) -> Result<Self, CredentialsError> {
        let failed = |source| CredentialsError::Read { path: path.to_owned(), source };
        let stored = std::fs::read(path).map_err(failed)?;
        let stored: Self = serde_json::from_slice(&stored).map_err(|error| failed(error.into()))?;
        let current = Self { otlp_url, api_url, ..stored.clone() };
        if (&current.otlp_url, &current.api_url) != (&stored.otlp_url, &stored.api_url) {
            // The command line finds this server through the file.
            write(path, &current).map_err(|source| CredentialsError::Write { path: path.to_owned(), source })?;
        }
        Ok(current)
    }
}

/// Why the keys could not be made or kept.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("cannot make project `{FIRST_PROJECT}`: {0}")]
    Project(#[source] ProjectError),
    #[error("cannot make the keys of project `{FIRST_PROJECT}`: {0}")]
    Store(#[source] StoreError),
    #[error("cannot read {path}: {source}; without it new keys are made at the next start")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot write {path}: {source}")]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// Makes project and keys if there is no project yet; returns them only then, since secrets are shown once.
pub(crate) async fn first_start(
    projects: &Projects,
    keys: &Keys,
    path: &Path,
    otlp_url: &str,
    api_url: &str,
) -> Result<Option<Credentials>, CredentialsError> {
    let project = ProjectId::parse(FIRST_PROJECT).expect("a valid project id");
    if path.exists() && projects.get(&project).await.map_err(CredentialsError::Store)?.is_some() {
        return Ok(None);
    }
    // Keys first written, then shown: a start that died half way makes new ones, the lost ones can be revoked.
    if projects.get(&project).await.map_err(CredentialsError::Store)?.is_none() {
        projects.create(&project, "Default").await.map_err(CredentialsError::Project)?;
    }
    let make = async |name: &str, scope: Scope, reach: Reach| {
        let new = NewKey { name: name.to_owned(), scopes: vec![scope].into(), project: project.clone(), reach };
        keys.create(new).await.map(|(_, secret)| secret.reveal().to_owned()).map_err(CredentialsError::Store)
    };
    let credentials = Credentials {
        project: project.to_string(),
        ingest_key: make("first ingest key", Scope::Ingest, Reach::Project).await?,
        read_key: make("first read key", Scope::Read, Reach::Project).await?,
        admin_key: make("first admin key", Scope::Admin, Reach::Installation).await?,
        otlp_url: otlp_url.to_owned(),
        api_url: api_url.to_owned(),
    };
    write(path, &credentials).map_err(|source| CredentialsError::Write { path: path.to_owned(), source })?;
    Ok(Some(credentials))
}

/// Written aside with mode 0600, synced, then given its name.
fn write(path: &Path, credentials: &Credentials) -> std::io::Result<()> {
    let aside = path.with_extension("json.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(serde_json::to_string_pretty(credentials)?.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    std::fs::rename(&aside, path)
}
