//! The door `Mailer` as SES: raw messages, so that what was written is what arrives.
//!
//! SES signs with DKIM if the domain has it, and takes mail only from verified addresses; in its sandbox it delivers to verified
//! addresses alone.

use async_trait::async_trait;
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::primitives::Blob;
use aws_sdk_sesv2::types::{Destination, EmailContent, RawMessage};
use doors::{Mail, MailError, Mailer};

use crate::fault::{FaultKind, fault};
use crate::{Cloud, Service};

/// Sends by SES in the region of the cloud.
pub struct SesMailer {
    client: Client,
    /// Whose events SES publishes; none: nobody's.
    configuration_set: Option<String>,
}

impl Cloud {
    pub fn mailer(&self, configuration_set: Option<&str>) -> SesMailer {
        SesMailer {
            client: Client::new(&self.config(Service::Ses)),
            configuration_set: configuration_set.map(str::to_owned),
        }
    }
}

#[async_trait]
impl Mailer for SesMailer {
    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        mail.check()?;
        let raw = RawMessage::builder().data(Blob::new(mail.raw.to_vec())).build();
        let raw = raw.map_err(|error| MailError::Refused(error.to_string()))?;
        let sent = self
            .client
            .send_email()
            .from_email_address(&mail.from)
            .destination(Destination::builder().set_to_addresses(Some(mail.to.clone())).build())
            .content(EmailContent::builder().raw(raw).build())
            .set_configuration_set_name(self.configuration_set.clone())
            .send()
            .await
            .map_err(|error| not_taken(fault(error)))?;
        Ok(sent.message_id().unwrap_or_default().to_owned())
    }
}

fn not_taken(fault: crate::Fault) -> MailError {
    match fault.kind {
        FaultKind::Unavailable | FaultKind::TimedOut | FaultKind::NoKeys => {
            MailError::Unavailable { carrier: "SES", source: Box::new(fault) }
        }
        FaultKind::Denied | FaultKind::Refused => MailError::Refused(fault.to_string()),
    }
}
