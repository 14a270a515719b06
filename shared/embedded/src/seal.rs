//! The door `Sealer` on one machine: AES-256-GCM with a key in a file that only its owner reads.
//!
//! Whoever has the file opens everything, so it is backed up apart from the metadata or not at all. What is sealed:
//!
//! ```text
//! version (1 byte, 1) | nonce (12 bytes, drawn) | ciphertext and tag (16 bytes)
//! ```
//!
//! The context is authenticated with it: each name and value after its length (8 bytes, big-endian), in the order of the names.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use clock::Ids;
use doors::{SEALED_BYTES_MAX, SealContext, SealError, Sealer, check_size};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::OpenError;

const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;

/// Seals with one key, drawn when the file is first made.
pub struct KeyFileSealer {
    key: LessSafeKey,
    ids: Arc<dyn Ids>,
}

impl KeyFileSealer {
    /// Reads the key, or draws and writes it; refused if others may read the file.
    pub fn open(path: &Path, ids: Arc<dyn Ids>) -> Result<Self, OpenError> {
        let io = |act| move |source| OpenError::Io { act, path: path.to_owned(), source };
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                create(path, &ids.secret()).map_err(io("create"))?;
                // Another process may have been first: its key is the key.
                std::fs::read(path).map_err(io("read"))?
            }
            Err(error) => return Err(io("read")(error)),
        };
        let mode = std::fs::metadata(path).map_err(io("read"))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(OpenError::KeyFile {
                path: path.to_owned(),
                why: format!("others may read it (mode {mode:o}): chmod 600"),
            });
        }
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| OpenError::KeyFile {
            path: path.to_owned(),
            why: format!("{} bytes are no key, which has {KEY_BYTES}", bytes.len()),
        })?;
        Ok(Self { key: LessSafeKey::new(key), ids })
    }
}

#[async_trait]
impl Sealer for KeyFileSealer {
    async fn seal(&self, context: &SealContext, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        check_size(secret)?;
        // 96 random bits: a repetition is no worry below some billion secrets.
        let nonce: [u8; NONCE_LEN] =
            self.ids.secret()[..NONCE_LEN].try_into().expect("a secret is longer than a nonce");
        let mut text = secret.to_vec();
        let sealed = self.key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(authenticated(context)),
            &mut text,
        );
        sealed.map_err(|_| SealError::Key("AES-GCM refuses the text".to_owned()))?;
        Ok([&[VERSION][..], &nonce, &text].concat())
    }

    async fn open(&self, context: &SealContext, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let Some((&[VERSION], rest)) = sealed.split_first_chunk::<1>() else { return Err(SealError::DoesNotOpen) };
        let Some((nonce, text)) = rest.split_first_chunk::<NONCE_LEN>() else { return Err(SealError::DoesNotOpen) };
        if text.len() > SEALED_BYTES_MAX + AES_256_GCM.tag_len() {
            return Err(SealError::DoesNotOpen);
        }
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.key.open_in_place(nonce, Aad::from(authenticated(context)), &mut text);
        Ok(opened.map_err(|_| SealError::DoesNotOpen)?.to_vec())
    }
}

/// Whole or not at all, and never over a key that is there.
fn create(path: &Path, key: &[u8; KEY_BYTES]) -> std::io::Result<()> {
    let aside = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(key)?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&aside, path);
    std::fs::remove_file(&aside)?;
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn authenticated(context: &SealContext) -> Vec<u8> {
    let parts = context.pairs().flat_map(|(name, value)| [name, value]);
    parts.flat_map(|part| [&(part.len() as u64).to_be_bytes()[..], part.as_bytes()].concat()).collect()
}

#[cfg(test)]
mod tests {
    use clock::RandomIds;
    use model::ProjectId;

    use super::*;

    fn context() -> SealContext {
        SealContext::new(&ProjectId::parse("shop").expect("an id"), "token")
    }

    #[tokio::test]
    async fn the_key_stays_over_restarts_and_belongs_to_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("seal.key");
        let first = KeyFileSealer::open(&path, Arc::new(RandomIds)).expect("opened");
        let sealed = first.seal(&context(), b"s3cret").await.expect("sealed");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let again = KeyFileSealer::open(&path, Arc::new(RandomIds)).expect("opened");
        assert_eq!(again.open(&context(), &sealed).await.expect("opens"), b"s3cret");
        assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 1);

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("set");
        let error = KeyFileSealer::open(&path, Arc::new(RandomIds)).err().expect("refused");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn what_is_no_key_is_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("seal.key");
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).expect("made");
        file.write_all(b"half a ke").expect("written");
        let error = KeyFileSealer::open(&path, Arc::new(RandomIds)).err().expect("refused");
        assert!(error.to_string().contains("9 bytes are no key"), "{error}");
        assert_eq!(std::fs::read(&path).expect("there"), b"half a ke");
    }

    /// A promise: what was sealed must still open. Made by another library, Python's `cryptography`.
    #[tokio::test]
    async fn what_version_1_sealed_still_opens() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("seal.key");
        create(&path, &[7; KEY_BYTES]).expect("made");
        let sealer = KeyFileSealer::open(&path, Arc::new(RandomIds)).expect("opened");
        let sealed = "01000102030405060708090a0b6bb28a02787da9457123814c0f0ac7d7557f7606d0db";
        let bytes = (0..sealed.len()).step_by(2).map(|at| u8::from_str_radix(&sealed[at..at + 2], 16).expect("hex"));
        let sealed: Vec<u8> = bytes.collect();
        assert_eq!(sealer.open(&context(), &sealed).await.expect("opens"), b"s3cret");
    }
}
