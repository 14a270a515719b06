//! The parts of a Signature Version 4 that say who asked which service where. The signature itself is not checked.

use super::{Asked, parameter, parameters};

/// Where a request without a signature is taken to go: a browser that follows a link to an object.
const UNSIGNED_SERVICE: &str = "s3";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Signature {
    /// None: not signed.
    pub(in super::super) access_key: Option<String>,
    pub(in super::super) service: String,
    pub(in super::super) region: String,
}

impl Signature {
    /// Of the header, or of a presigned URL's parameter.
    pub(in super::super) fn of(asked: &Asked) -> Self {
        let header = asked.head.headers.get("authorization").and_then(|value| value.to_str().ok());
        let in_header = header.and_then(|value| value.split("Credential=").nth(1)).map(str::to_owned);
        let in_url = || parameter(&parameters(asked), "X-Amz-Credential").map(str::to_owned);
        in_header.or_else(in_url).and_then(|credential| Self::parsed(&credential)).unwrap_or_else(|| Self {
            access_key: None,
            service: UNSIGNED_SERVICE.to_owned(),
            region: String::new(),
        })
    }

    /// `<access key id>/<date>/<region>/<service>/aws4_request`, up to a comma.
    fn parsed(credential: &str) -> Option<Self> {
        let scope = credential.split(',').next()?;
        let [access_key, _date, region, service, _version] = scope.split('/').collect::<Vec<_>>().try_into().ok()?;
        Some(Self { access_key: Some(access_key.to_owned()), service: service.to_owned(), region: region.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::asked;
    use super::*;

    #[test]
    fn a_signature_is_read_from_the_header_or_from_a_presigned_url() {
        let header = "AWS4-HMAC-SHA256 Credential=PLIMSOLLINGEST/20261120/eu-west-1/dynamodb/aws4_request, \
                      SignedHeaders=host, Signature=00";
        let expected = |key: &str, service: &str| Signature {
            access_key: Some(key.to_owned()),
            service: service.to_owned(),
            region: "eu-west-1".to_owned(),
        };
        let signed = asked("POST /", &[("authorization", header)], "");
        assert_eq!(Signature::of(&signed), expected("PLIMSOLLINGEST", "dynamodb"));
        let link =
            "GET /b/x?X-Amz-Credential=PLIMSOLLQUERY%2F20261120%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Signature=0";
        assert_eq!(Signature::of(&asked(link, &[], "")), expected("PLIMSOLLQUERY", "s3"));
        assert_eq!(Signature::of(&asked("GET /b/x", &[], "")).access_key, None);
    }
}
