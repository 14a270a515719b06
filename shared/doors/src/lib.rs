//! Doors to the world outside, each with two real implementations: one on AWS (crate `aws`), one on a single machine.
//!
//! | door | on AWS | on one machine |
//! |---|---|---|
//! | [`QueryRunner`] | Lambda Invoke of the query function's alias | `query::Runner`, a direct call |
//! | [`Mailer`] | SES, raw messages | a folder of `.eml` files (`embedded`) |
//! | [`Sealer`] | KMS Encrypt and Decrypt | a key file in the data folder (`embedded`) |
//!
//! No type of an SDK is named here. Every error says whether the same call may work later.

mod mail;
mod query;
mod seal;

pub use mail::{MAIL_BYTES_MAX, MAIL_RECIPIENTS_MAX, Mail, MailError, Mailer};
pub use query::{
    Answer, Answered, Asked, Column, Outcome, PAYLOAD_BYTES_MAX, QUERY_TIMEOUT_MS_DEFAULT, QueryRunError, QueryRunner,
    Question, Refusal, Statistics, Truncated,
};
pub use seal::{SEALED_BYTES_MAX, SealContext, SealError, Sealer, check_size};
