//! Whom a command trusts over HTTPS: the public certificate authorities (Mozilla's list, in the binary), or those in a file.

use std::path::PathBuf;

use clap::Args;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::CliError;

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TrustArg {
    /// Certificates (PEM) of the authorities to trust over HTTPS instead of the public ones
    #[arg(long, env = "PLIMSOLL_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl TrustArg {
    pub(super) fn tls(&self) -> Result<TlsConfig, CliError> {
        let Some(file) = self.ca.as_deref() else { return Ok(TlsConfig::default()) };
        let failed = |why: String| CliError::Authorities { path: file.to_owned(), why };
        let pem = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
        let items: Result<Vec<PemItem>, ureq::Error> = parse_pem(&pem).collect();
        let items = items.map_err(|error| failed(error.to_string()))?;
        let certificates = items.into_iter().filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        });
        let certificates: Vec<Certificate> = certificates.collect();
        if certificates.is_empty() {
            return Err(failed("there is no `-----BEGIN CERTIFICATE-----` in it".to_owned()));
        }
        Ok(TlsConfig::builder().root_certs(RootCerts::from(certificates)).build())
    }
}

/// What to do about a certificate that is not accepted; none: the error is about something else.
pub(super) fn advice(error: &ureq::Error) -> Option<&'static str> {
    let text = error.to_string();
    let about = |part: &str| text.contains(part);
    // The words of rustls; `a_bad_certificate_is_explained` in tests/it knows them.
    if about("InvalidContentType") || about("corrupt message") {
        return Some("what answers there speaks no TLS: write http:// if that is meant");
    }
    if !about("invalid peer certificate") {
        return None;
    }
    Some(if about("UnknownIssuer") || about("CaUsedAsEndEntity") {
        "nobody whom this program trusts has signed its certificate: name the file with your authority's certificate by \
         --ca or PLIMSOLL_CA"
    } else if about("xpired") {
        "its certificate has expired, or the clock of this machine is wrong"
    } else if about("not valid yet") || about("NotValidYet") {
        "its certificate is not valid yet, or the clock of this machine is wrong"
    } else if about("not valid for") || about("NotValidForName") {
        "its certificate is for other names: use one of them in the URL"
    } else {
        "its certificate is not accepted"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str) -> Result<TlsConfig, CliError> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, text).expect("written");
        TrustArg { ca: Some(file) }.tls()
    }

    #[test]
    fn a_file_without_certificates_is_refused_with_its_name() {
        for text in ["", "no PEM at all", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            let error = with_file(text).expect_err("refused").to_string();
            assert!(error.contains("ca.pem") && error.contains("BEGIN CERTIFICATE"), "{error}");
        }
        assert!(with_file("-----BEGIN CERTIFICATE-----\nno base64!\n-----END CERTIFICATE-----\n").is_err());
        let error = TrustArg { ca: Some("/nowhere/ca.pem".into()) }.tls().expect_err("refused").to_string();
        assert!(error.contains("/nowhere/ca.pem"), "{error}");
    }
}
