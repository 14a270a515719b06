//! To which Plimsoll a command speaks, and with which key.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;

use super::api::Api;
use super::{CliError, units};

#[derive(Clone, Debug, Args)]
pub(crate) struct Connection {
    /// The API
    #[arg(long, env = "PLIMSOLL_URL", default_value = "http://127.0.0.1:4319", value_name = "URL", value_parser = units::url)]
    url: String,
    /// API key [default: the one that `serve` wrote to <DATA>/credentials.json]
    #[arg(long, env = "PLIMSOLL_KEY", hide_env_values = true)]
    key: Option<String>,
    #[command(flatten)]
    data: DataArg,
}

/// Where `serve` keeps everything, and so the keys.
#[derive(Clone, Debug, Args)]
pub(crate) struct DataArg {
    /// The data folder of `serve`
    #[arg(long, env = "PLIMSOLL_DATA", default_value = DATA_DEFAULT, value_name = "FOLDER", value_parser = folder)]
    pub(crate) data: PathBuf,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    Ingest,
    Read,
    Admin,
}

pub(crate) const DATA_DEFAULT: &str = "~/.plimsoll";

/// `<data>/credentials.json`, as `serve` writes it.
#[derive(Deserialize)]
struct Credentials {
    project: String,
    ingest_key: String,
    read_key: String,
    admin_key: String,
    api_url: String,
}

/// A folder as written on the command line; `~/` is the home folder also where no shell has replaced it.
pub(crate) fn folder(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix("~/") {
        Some(rest) => {
            std::env::home_dir().map(|home| home.join(rest)).ok_or_else(|| "there is no home folder".to_owned())
        }
        None if text.is_empty() => Err("the name is empty".to_owned()),
        None => Ok(PathBuf::from(text)),
    }
}

impl Connection {
    /// The API, to be spoken to with a key for `what`.
    pub(super) fn open(&self, what: For) -> Result<Api, CliError> {
        Ok(Api::new(&self.url, Some(self.key(what)?), self.unreachable_hint()))
    }

    /// The API with the admin key of the credentials file, and its project; none if there is no such file, or if a key was
    /// given, of which nobody knows what it may do.
    pub(super) fn open_as_admin(&self) -> Option<(Api, String)> {
        if self.key.is_some() {
            return None;
        }
        let Credentials { admin_key, project, .. } = self.credentials().ok()?;
        Some((Api::new(&self.url, Some(admin_key), self.unreachable_hint()), project))
    }

    /// The API, for what everybody may ask.
    pub(super) fn open_without_key(&self) -> Api {
        Api::new(&self.url, None, self.unreachable_hint())
    }

    fn unreachable_hint(&self) -> String {
        match self.credentials() {
            Ok(c) if c.api_url.trim_end_matches('/') != self.url.trim_end_matches('/') => {
                format!("is `plimsoll serve` running? It was first started with its API at {}: try --url", c.api_url)
            }
            _ => "is `plimsoll serve` running?".to_owned(),
        }
    }

    /// The given key, else the right one of the credentials file.
    pub(super) fn key(&self, what: For) -> Result<String, CliError> {
        if let Some(key) = &self.key {
            return Ok(key.clone());
        }
        let credentials = self.credentials()?;
        Ok(match what {
            For::Ingest => credentials.ingest_key,
            For::Read => credentials.read_key,
            For::Admin => credentials.admin_key,
        })
    }

    /// The project of the credentials file: for commands that need one and were given none.
    pub(super) fn project(&self) -> Result<String, CliError> {
        Ok(self.credentials()?.project)
    }

    fn credentials(&self) -> Result<Credentials, CliError> {
        let path = self.data.data.join("credentials.json");
        read(&path).map_err(|cause| CliError::NoKey { path, cause })
    }
}

fn read(path: &Path) -> Result<Credentials, String> {
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "no such file; `plimsoll serve` writes it when it first starts".to_owned(),
        _ => error.to_string(),
    })?;
    serde_json::from_str(&text).map_err(|error| format!("does not read: {error}"))
}
