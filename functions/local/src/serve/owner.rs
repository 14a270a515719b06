//! A root in a bucket is served from one ledger: that of the installation whose mark it bears.

use std::path::Path;

use aws::S3Root;
use meta::Installation;
use object_store::ObjectStore;
use objects::{Claim, Claimed, OwnerError, Trouble, Unmarked, claim_root};

use super::data::DataError;
use super::server::ServeConfig;

/// Takes a root that is nobody's; finds it ours at every later start.
pub(super) async fn claim(
    root: &S3Root,
    base: &dyn ObjectStore,
    installation: &Installation,
    data: &Path,
    config: &ServeConfig,
) -> Result<(), DataError> {
    let stored = |source| DataError::StoredRoot { path: data.to_owned(), source };
    let claim = Claim {
        installation: installation.id().await.map_err(stored)?,
        ledger: ledger_name(data),
        claimed_at: config.clock.now(),
        unmarked: Unmarked::Take,
        in_place_of: config.take_over.clone(),
    };
    match claim_root(base, &claim).await {
        Ok(Claimed::Before) => Ok(()),
        Ok(Claimed::Now) => {
            tracing::info!(%root, installation = %claim.installation, "root marked as this installation's");
            Ok(())
        }
        Ok(Claimed::TakenOver) => {
            tracing::warn!(%root, installation = %claim.installation, "root taken over; run `plimsoll repair`");
            Ok(())
        }
        Err(error) => Err(DataError::Owner { root: root.to_string(), trouble: trouble(&error) }),
    }
}

/// For people who find the mark in a bucket.
pub(super) fn ledger_name(data: &Path) -> String {
    // None where there is no such file; the folder alone may do.
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let on = host.map(|host| format!(" on {}", host.trim())).unwrap_or_default();
    format!("`plimsoll serve`{on}, data folder {}", data.display())
}

/// Why the root is not served from this ledger, and what to do.
pub(crate) fn trouble(error: &OwnerError) -> Trouble {
    let advice = match error {
        OwnerError::Another(mark) => format!(
            "serve it from that ledger, or serve another prefix (--root s3://bucket/another/prefix): two ledgers on one root take \
             each other's objects for left-overs and delete them. Only if that ledger is lost for good and nothing serves \
             from it any more: --take-over {}, then `plimsoll repair`",
            mark.installation
        ),
        OwnerError::Store { act, source } => {
            let act = format!("{act} the mark of its owner");
            return Trouble::of(source, &act, "s3:GetObject and s3:PutObject below the prefix");
        }
        OwnerError::Unreadable { .. } => "look at that object; if nobody needs it, delete it".to_owned(),
        OwnerError::Contended => "see who else is started on it, and start again".to_owned(),
    };
    Trouble::new(error.to_string(), advice)
}
