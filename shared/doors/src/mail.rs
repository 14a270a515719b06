//! Sending mail: a finished MIME message, and to whom it goes.
//!
//! Writing the message is the caller's. The addresses here are the envelope: they alone decide who gets it.

use std::error::Error;

use async_trait::async_trait;
use bytes::Bytes;

/// Bytes of a raw message: what SES takes is larger, what mailboxes take is not.
pub const MAIL_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Recipients of one message: what SES takes.
pub const MAIL_RECIPIENTS_MAX: usize = 50;

/// Hands mail over for delivery.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// The id that the carrier gave the message. Sending again after a lost answer may deliver it twice.
    async fn send(&self, mail: &Mail) -> Result<String, MailError>;
}

/// A message and its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// `alerts@example.com`, without a name.
    pub from: String,
    /// At least one, each without a name.
    pub to: Vec<String>,
    /// The message with its headers (RFC 5322), ready to be sent.
    pub raw: Bytes,
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// It cannot be sent as it is: sending it again changes nothing.
    #[error("the mail cannot be sent: {0}")]
    Refused(String),
    /// The carrier did not answer, or not now. Some answers are lost after the message was taken.
    #[error("{carrier} did not take the mail")]
    Unavailable {
        carrier: &'static str,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl Mail {
    /// What no carrier takes is refused before one is asked.
    pub fn check(&self) -> Result<(), MailError> {
        let refused = |why: String| Err(MailError::Refused(why));
        if self.to.is_empty() {
            return refused("it has no recipient".to_owned());
        }
        if self.to.len() > MAIL_RECIPIENTS_MAX {
            return refused(format!("{} recipients; {MAIL_RECIPIENTS_MAX} are possible", self.to.len()));
        }
        if self.raw.len() > MAIL_BYTES_MAX {
            return refused(format!("{} bytes; {MAIL_BYTES_MAX} are possible", self.raw.len()));
        }
        if self.raw.is_empty() {
            return refused("it is empty".to_owned());
        }
        match std::iter::once(&self.from).chain(&self.to).find(|address| !is_plain(address)) {
            Some(address) => refused(format!("`{}` is no plain address", address.escape_debug())),
            None => Ok(()),
        }
    }
}

impl MailError {
    /// Whether the same message may be taken a moment later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// Something on both sides of one `@`, and nothing that could end a line of an envelope or begin a second address.
fn is_plain(address: &str) -> bool {
    let barred = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | ';' | '"');
    let sides = address.split_once('@');
    sides.is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'))
        && !address.contains(barred)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_carrier_takes_is_refused_first() {
        let good =
            Mail { from: "a@b.c".into(), to: vec!["d@e.f".into()], raw: Bytes::from_static(b"Subject: x\r\n\r\n") };
        assert!(good.check().is_ok());
        let many = (0..=MAIL_RECIPIENTS_MAX).map(|n| format!("{n}@e.f")).collect();
        let bad = [
            ("no recipient", Mail { to: vec![], ..good.clone() }),
            ("51 recipients", Mail { to: many, ..good.clone() }),
            ("is empty", Mail { raw: Bytes::new(), ..good.clone() }),
            ("possible", Mail { raw: vec![b'x'; MAIL_BYTES_MAX + 1].into(), ..good.clone() }),
            ("no plain address", Mail { from: "A <a@b.c>".into(), ..good.clone() }),
            ("no plain address", Mail { to: vec!["a@b.c\r\nDATA".into()], ..good.clone() }),
            ("no plain address", Mail { to: vec!["nobody".into()], ..good.clone() }),
        ];
        for (words, mail) in bad {
            let error = mail.check().expect_err(words);
            assert!(error.to_string().contains(words) && !error.is_retryable(), "{error}");
        }
    }
}
