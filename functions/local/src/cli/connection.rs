//! To which Plimsoll a command speaks, and with which key.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws::Signer;
use clap::Args;
use serde::Deserialize;
use ureq::tls::TlsConfig;

use super::api::Api;
use super::stack::{Deployed, StackArg, StackKeys};
use super::trust::TrustArg;
use super::{CliError, units};

#[derive(Clone, Debug, Args)]
pub(crate) struct Connection {
    /// The API [default: http://127.0.0.1:4319]
    #[arg(long, env = "PLIMSOLL_URL", value_name = "URL", value_parser = units::url)]
    url: Option<String>,
    /// API key [default: the one that `serve` wrote to <DATA>/credentials.json]
    #[arg(long, env = "PLIMSOLL_KEY", hide_env_values = true)]
    key: Option<String>,
    #[command(flatten)]
    stack: StackArg,
    #[command(flatten)]
    trust: TrustArg,
    #[command(flatten)]
    data: DataArg,
    /// The stack, once it was read.
    #[arg(skip)]
    deployed: OnceCell<(Deployed, StackKeys)>,
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
const URL_DEFAULT: &str = "http://127.0.0.1:4319";
const OTLP_URL_DEFAULT: &str = "http://127.0.0.1:4318";

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
        self.api(what, Some(self.key(what)?))
    }

    /// The API with the admin key of the credentials file, or of the stack, and its project; none if there is neither, or if a
    /// key was given, of which nobody knows what it may do.
    pub(super) fn open_as_admin(&self) -> Option<(Api, String)> {
        if self.key.is_some() {
            return None;
        }
        Some((self.open(For::Admin).ok()?, self.project().ok()?))
    }

    /// The API, for what everybody may ask.
    pub(super) fn open_without_key(&self) -> Result<Api, CliError> {
        self.api(For::Admin, None)
    }

    /// The given key, else the right one of the stack or of the credentials file.
    pub(super) fn key(&self, what: For) -> Result<String, CliError> {
        if let Some(key) = &self.key {
            return Ok(key.clone());
        }
        if let Some((_, keys)) = self.deployed()? {
            return Ok(keys.of(what).to_owned());
        }
        let credentials = self.credentials()?;
        Ok(match what {
            For::Ingest => credentials.ingest_key,
            For::Read => credentials.read_key,
            For::Admin => credentials.admin_key,
        })
    }

    /// The project of the stack or of the credentials file: for commands that need one and were given none.
    pub(super) fn project(&self) -> Result<String, CliError> {
        if let Some((_, keys)) = self.deployed()? {
            return Ok(keys.project.clone());
        }
        match self.credentials() {
            Err(_) if self.key.is_some() => Err(CliError::Usage(
                "which project? Say it by --project: a key that is given by --key or PLIMSOLL_KEY does not tell"
                    .to_owned(),
            )),
            credentials => Ok(credentials?.project),
        }
    }

    /// Where OTLP goes, if `given` does not say.
    pub(super) fn otlp_url(&self, given: Option<&str>) -> Result<String, CliError> {
        match (given, self.deployed()?) {
            (Some(_), Some(_)) => Err(either("--otlp-url (PLIMSOLL_OTLP_URL)")),
            (Some(given), None) => Ok(given.to_owned()),
            (None, Some((deployed, _))) => Ok(deployed.otlp_url.clone()),
            (None, None) => Ok(OTLP_URL_DEFAULT.to_owned()),
        }
    }

    /// Who signs requests to where OTLP goes, if they must be signed.
    pub(super) fn otlp_signer(&self) -> Result<Option<Arc<Signer>>, CliError> {
        Ok(self.deployed()?.and_then(|(deployed, _)| deployed.signer.clone()))
    }

    pub(super) fn tls(&self) -> Result<TlsConfig, CliError> {
        self.trust.tls()
    }

    fn api(&self, what: For, key: Option<String>) -> Result<Api, CliError> {
        let (url, signer, hint) = match self.deployed()? {
            Some((deployed, _)) => {
                let (url, signer) = match what {
                    For::Read => (&deployed.query_url, deployed.signer.clone()),
                    For::Ingest | For::Admin => (&deployed.api_url, None),
                };
                (url.clone(), signer, format!("`plimsoll doctor --stack {}` says more", deployed.name))
            }
            None => {
                let url = self.url.as_deref().unwrap_or(URL_DEFAULT);
                (url.to_owned(), None, self.unreachable_hint(url))
            }
        };
        Ok(Api::new(&url, key, hint, self.tls()?).signed(signer))
    }

    /// The stack that was asked for, read once.
    fn deployed(&self) -> Result<Option<&(Deployed, StackKeys)>, CliError> {
        let Some(name) = &self.stack.stack else { return Ok(None) };
        // A key of one must never go to the other.
        if self.url.is_some() {
            return Err(either("--url (PLIMSOLL_URL)"));
        }
        if let Some(read) = self.deployed.get() {
            return Ok(Some(read));
        }
        let read = Deployed::open(name)?;
        Ok(Some(self.deployed.get_or_init(|| read)))
    }

    fn unreachable_hint(&self, url: &str) -> String {
        match self.credentials() {
            Ok(c) if c.api_url.trim_end_matches('/') != url.trim_end_matches('/') => {
                format!("is `plimsoll serve` running? It was first started with its API at {}: try --url", c.api_url)
            }
            _ => "is `plimsoll serve` running?".to_owned(),
        }
    }

    fn credentials(&self) -> Result<Credentials, CliError> {
        let path = self.data.data.join("credentials.json");
        read(&path).map_err(|cause| CliError::NoKey { path, cause })
    }
}

fn either(other: &str) -> CliError {
    CliError::Usage(format!("give either --stack (PLIMSOLL_STACK) or {other}, not both"))
}

fn read(path: &Path) -> Result<Credentials, String> {
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "no such file; `plimsoll serve` writes it when it first starts".to_owned(),
        _ => error.to_string(),
    })?;
    serde_json::from_str(&text).map_err(|error| format!("does not read: {error}"))
}
