//! AWS as this process may use it: looked for only when something needs it, so that a laptop without credentials starts
//! and runs.

use std::sync::Arc;

use async_trait::async_trait;
use aws::{Cloud, CloudError, S3BucketCheck, S3Buckets};
use objects::{CheckBucket, Claim, Entrance, OpenBucket, OpenedBucket, Preflight, RootError, Trouble};
use tokio::sync::OnceCell;

/// The doors to buckets that projects' owners bring.
#[derive(Clone)]
pub struct BucketDoors {
    pub open: Arc<dyn OpenBucket>,
    pub check: Arc<dyn CheckBucket>,
}

/// The way to AWS, found when it is first asked for. Cheap to clone; clones share what was found.
#[derive(Clone, Default)]
pub struct Aws {
    cloud: Arc<OnceCell<Cloud>>,
    doors: Arc<OnceCell<Doors>>,
}

struct Doors {
    open: S3Buckets,
    check: S3BucketCheck,
}

impl Aws {
    /// This one, instead of what the environment says.
    pub fn given(cloud: Cloud) -> Self {
        Self { cloud: Arc::new(OnceCell::new_with(Some(cloud))), doors: Arc::default() }
    }

    pub(crate) async fn cloud(&self) -> Result<&Cloud, CloudError> {
        self.cloud.get_or_try_init(Cloud::load).await
    }

    async fn doors(&self) -> Result<&Doors, RootError> {
        let found = self.doors.get_or_try_init(|| async {
            let cloud = self.cloud().await?;
            Ok::<_, CloudError>(Doors { open: S3Buckets::new(cloud), check: S3BucketCheck::new(cloud) })
        });
        found.await.map_err(|error| RootError::NoAws { why: error.to_string() })
    }
}

impl From<Aws> for BucketDoors {
    fn from(aws: Aws) -> Self {
        Self { open: Arc::new(aws.clone()), check: Arc::new(aws) }
    }
}

#[async_trait]
impl OpenBucket for Aws {
    async fn open(&self, entrance: &Entrance) -> Result<OpenedBucket, RootError> {
        self.doors().await?.open.open(entrance).await
    }
}

#[async_trait]
impl CheckBucket for Aws {
    async fn account(&self) -> Result<String, RootError> {
        self.doors().await?.check.account().await
    }

    async fn preflight(&self, entrance: &Entrance, claim: &Claim) -> Preflight {
        match self.doors().await {
            Ok(doors) => doors.check.preflight(entrance, claim).await,
            Err(error) => {
                let mut preflight = Preflight::default();
                let advice = "give `plimsoll serve` AWS credentials and a region, as the AWS command line takes them";
                preflight.bad("role", Trouble::new(error.to_string(), advice));
                preflight
            }
        }
    }
}
