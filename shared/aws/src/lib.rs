//! The doors of Plimsoll as AWS opens them: one module and one feature a door, so that a function links only what it uses.
//!
//! [`Cloud`] holds region, credentials, endpoints and time-outs; every door is opened by it.
//!
//! - `items`: [`meta::ItemStore`] on a DynamoDB table. `queue`: [`meta::Queue`] on an SQS queue.
//! - `invoke`: [`doors::QueryRunner`] by Lambda. `mail`: [`doors::Mailer`] by SES. `seal`: [`doors::Sealer`] by KMS.
//! - `objects`: an installation's root on S3, and buckets that projects' owners bring. `bucket`: a look into one of those.
//! - `stack`, `secrets`, `operate`: what the operator's command line reads of a deployed stack. `sign`: how it enters one.

#[cfg(feature = "bucket")]
mod bucket;
mod cloud;
mod endpoints;
mod fault;
mod https;
#[cfg(feature = "invoke")]
mod invoke;
#[cfg(feature = "items")]
pub mod items;
#[cfg(feature = "mail")]
mod mail;
#[cfg(feature = "objects")]
mod objects;
#[cfg(feature = "operate")]
pub mod operate;
#[cfg(feature = "queue")]
mod queue;
#[cfg(feature = "seal")]
mod seal;
#[cfg(feature = "secrets")]
mod secrets;
#[cfg(feature = "sign")]
mod sign;
#[cfg(feature = "stack")]
mod stack;

#[cfg(feature = "objects")]
pub use self::objects::{InvalidS3Root, S3Buckets, S3Root, S3StoreError, SESSION_DURATION};
#[cfg(feature = "bucket")]
pub use bucket::S3BucketCheck;
pub use cloud::{Cloud, CloudError};
pub use endpoints::{Endpoints, InvalidEndpoint, Service};
pub use fault::{Fault, FaultKind};
#[cfg(feature = "invoke")]
pub use invoke::LambdaQueries;
#[cfg(feature = "mail")]
pub use mail::SesMailer;
#[cfg(feature = "seal")]
pub use seal::KmsSealer;
#[cfg(feature = "secrets")]
pub use secrets::Secrets;
#[cfg(feature = "sign")]
pub use sign::{SignError, Signer, Unsigned};
#[cfg(feature = "stack")]
pub use stack::{Stack, StackError};
