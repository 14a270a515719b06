//! The door `Mailer` on one machine: a folder of `.eml` files, which any mail program opens.
//!
//! ```text
//! <folder>/<id>.eml    the message as it was handed over, with the envelope before it as two headers:
//!                      X-Plimsoll-From, X-Plimsoll-To
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use clock::Ids;
use doors::{Mail, MailError, Mailer};
use tokio::fs;

use crate::OpenError;

/// Writes mail instead of sending it. A message that was acknowledged is whole; it is not fsynced.
pub struct MailFolder {
    folder: PathBuf,
    ids: Arc<dyn Ids>,
}

impl MailFolder {
    /// Makes the folder if it is missing.
    pub fn open(folder: impl Into<PathBuf>, ids: Arc<dyn Ids>) -> Result<Self, OpenError> {
        let folder = folder.into();
        std::fs::create_dir_all(&folder).map_err(|source| OpenError::Io {
            act: "create",
            path: folder.clone(),
            source,
        })?;
        Ok(Self { folder, ids })
    }
}

#[async_trait]
impl Mailer for MailFolder {
    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        mail.check()?;
        let id = self.ids.fresh();
        let file = self.folder.join(format!("{id}.eml"));
        let written = write_whole(&file, &with_envelope(mail)).await;
        written.map_err(|source| MailError::Unavailable { carrier: "the mail folder", source: Box::new(source) })?;
        Ok(id)
    }
}

/// Under another name first: whoever watches the folder sees whole messages.
async fn write_whole(file: &Path, text: &[u8]) -> std::io::Result<()> {
    let aside = file.with_extension("eml.new");
    fs::write(&aside, text).await?;
    fs::rename(&aside, file).await
}

/// Addresses were checked: none can end its line.
fn with_envelope(mail: &Mail) -> Vec<u8> {
    let envelope = format!("X-Plimsoll-From: {}\r\nX-Plimsoll-To: {}\r\n", mail.from, mail.to.join(", "));
    [envelope.as_bytes(), &mail.raw].concat()
}
