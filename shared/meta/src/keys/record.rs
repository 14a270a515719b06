//! A key as it is stored and listed.

use std::fmt;

use model::{Micros, ProjectId, Scopes};
use serde::{Deserialize, Serialize};

use super::Secret;
use crate::items::{attributes, parse};
use crate::{Item, ItemKey, Operation, StoreError};

const FORMAT: u32 = 1;
pub(super) const SORT: &str = "key";

/// Names a key in lists and for revocation: 32 lower-case hex digits. No secret.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(String);

impl KeyId {
    pub(super) fn of(secret: &Secret) -> Self {
        Self(hex(&secret.sha256()[..16]))
    }

    /// None if no key can have this id.
    pub fn parse(text: &str) -> Option<Self> {
        let hex_digit = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 32 && text.bytes().all(hex_digit)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far the admin scope of a key reaches; its other scopes never leave its project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// Its own project.
    Project,
    /// All projects: it creates them, and keys for any of them.
    Installation,
}

/// A key without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub id: KeyId,
    pub project: ProjectId,
    pub scopes: Scopes,
    pub reach: Reach,
    pub name: String,
    /// The first characters of the secret.
    pub hint: String,
    pub created_at: Micros,
    pub revoked_at: Option<Micros>,
}

/// At most as many as asked for, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPage {
    pub keys: Vec<Key>,
    /// For the next call; none: that was the last page.
    pub next: Option<String>,
}

/// Stored in both items; see the module's table.
#[derive(Serialize, Deserialize)]
struct Stored {
    v: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    project: ProjectId,
    scopes: Scopes,
    reach: Reach,
    name: String,
    hint: String,
    created_at: Micros,
    revoked_at: Option<Micros>,
}

pub(super) fn partition_of(id: &KeyId) -> String {
    format!("key/{id}")
}

pub(super) fn by_id(id: &KeyId) -> ItemKey {
    ItemKey::new(partition_of(id), SORT)
}

pub(super) fn list_of(project: &ProjectId) -> String {
    format!("keys/{project}")
}

/// The item by id and the item in the list.
pub(super) fn put_both(key: &Key, sha256: &[u8; 32], expires_at: Option<Micros>) -> [Operation; 2] {
    let stored = |sha256| Stored {
        v: FORMAT,
        sha256,
        project: key.project.clone(),
        scopes: key.scopes.clone(),
        reach: key.reach,
        name: key.name.clone(),
        hint: key.hint.clone(),
        created_at: key.created_at,
        revoked_at: key.revoked_at,
    };
    let listed = ItemKey::new(list_of(&key.project), format!("{:020}/{}", key.created_at, key.id));
    let puts = [
        Operation::put(by_id(&key.id), attributes(&stored(Some(hex(sha256))))),
        Operation::put(listed, attributes(&stored(None))),
    ];
    match expires_at {
        Some(at) => puts.map(|put| put.expiring(at)),
        None => puts,
    }
}

/// The item by id: the key, and the SHA-256 of its secret.
pub(super) fn read(item: &Item) -> Result<(Key, [u8; 32]), StoreError> {
    let invalid = |what: &str| StoreError::Invalid(format!("item {} {what}", item.key.partition));
    let id = item.key.partition.strip_prefix("key/").and_then(KeyId::parse);
    let id = id.ok_or_else(|| invalid("names no key"))?;
    let stored: Stored = parse(item)?;
    let sha256 = stored.sha256.as_deref().and_then(unhex).ok_or_else(|| invalid("has no `sha256`"))?;
    Ok((key(id, stored), sha256))
}

pub(super) fn read_listed(item: &Item) -> Result<Key, StoreError> {
    let id = item.key.sort.split_once('/').and_then(|(_, id)| KeyId::parse(id));
    let id = id.ok_or_else(|| StoreError::Invalid(format!("item {} names no key", item.key.sort)))?;
    Ok(key(id, parse(item)?))
}

fn key(id: KeyId, stored: Stored) -> Key {
    let Stored { v: _, sha256: _, project, scopes, reach, name, hint, created_at, revoked_at } = stored;
    Key { id, project, scopes, reach, name, hint, created_at, revoked_at }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[place * 2..place * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}
