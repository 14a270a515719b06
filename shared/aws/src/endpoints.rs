//! Where a service is reached: at AWS itself, unless the environment names another place, as emulators and VPC endpoints need.

use std::collections::BTreeMap;

use url::Url;

/// The services that a door of ours calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    CloudFormation,
    DynamoDb,
    Kms,
    Lambda,
    S3,
    SecretsManager,
    Ses,
    Sqs,
    Sts,
}

impl Service {
    pub const ALL: [Self; 9] = [
        Self::CloudFormation,
        Self::DynamoDb,
        Self::Kms,
        Self::Lambda,
        Self::S3,
        Self::SecretsManager,
        Self::Ses,
        Self::Sqs,
        Self::Sts,
    ];

    /// The variable that names its endpoint, as every AWS SDK reads it.
    pub fn variable(self) -> &'static str {
        match self {
            Self::CloudFormation => "AWS_ENDPOINT_URL_CLOUDFORMATION",
            Self::DynamoDb => "AWS_ENDPOINT_URL_DYNAMODB",
            Self::Kms => "AWS_ENDPOINT_URL_KMS",
            Self::Lambda => "AWS_ENDPOINT_URL_LAMBDA",
            Self::S3 => "AWS_ENDPOINT_URL_S3",
            Self::SecretsManager => "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            Self::Ses => "AWS_ENDPOINT_URL_SESV2",
            Self::Sqs => "AWS_ENDPOINT_URL_SQS",
            Self::Sts => "AWS_ENDPOINT_URL_STS",
        }
    }
}

/// Of a value that an error repeats.
const VALUE_CHARS_MAX: usize = 100;
/// The variable for every service that has none of its own.
const VARIABLE: &str = "AWS_ENDPOINT_URL";

/// A variable that names no place that could be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{variable} is `{value}`, {why}: it looks like `https://s3.example.com` or `http://127.0.0.1:9000`; unset, AWS's own is used"
)]
pub struct InvalidEndpoint {
    pub variable: &'static str,
    value: String,
    why: &'static str,
}

/// Endpoints that are not AWS's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// For each service that is not in `by_service`.
    everywhere: Option<String>,
    by_service: BTreeMap<Service, String>,
}

impl Endpoints {
    /// As `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>` say; empty counts as unset.
    pub fn of_process() -> Result<Self, InvalidEndpoint> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// One endpoint for every service.
    pub fn everywhere(url: impl Into<String>) -> Self {
        Self { everywhere: Some(url.into()), by_service: BTreeMap::new() }
    }

    /// The same, with another endpoint for one service.
    #[must_use]
    pub fn with(mut self, service: Service, url: impl Into<String>) -> Self {
        self.by_service.insert(service, url.into());
        self
    }

    /// None: AWS's own.
    pub fn of(&self, service: Service) -> Option<&str> {
        self.by_service.get(&service).or(self.everywhere.as_ref()).map(String::as_str)
    }

    /// The variables that make another process use the same endpoints.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let everywhere = self.everywhere.iter().map(|url| (VARIABLE, url.clone()));
        everywhere.chain(self.by_service.iter().map(|(service, url)| (service.variable(), url.clone()))).collect()
    }

    fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidEndpoint> {
        let set =
            |variable| lookup(variable).filter(|url| !url.is_empty()).map(|url| checked(variable, url)).transpose();
        let mut by_service = BTreeMap::new();
        for service in Service::ALL {
            if let Some(url) = set(service.variable())? {
                by_service.insert(service, url);
            }
        }
        Ok(Self { everywhere: set(VARIABLE)?, by_service })
    }
}

/// A URL of a host. Below this nobody expects anything else: `object_store` panics on what is none.
fn checked(variable: &'static str, value: String) -> Result<String, InvalidEndpoint> {
    let why = match Url::parse(&value) {
        Err(_) => "which is no URL",
        Ok(url) if !matches!(url.scheme(), "http" | "https") => "which is neither http:// nor https://",
        Ok(url) if url.host_str().is_none_or(str::is_empty) => "which names no host",
        Ok(url) if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() => {
            "which is more than a host, a port and a path"
        }
        Ok(_) => return Ok(value),
    };
    Err(InvalidEndpoint { variable, value: value.chars().take(VALUE_CHARS_MAX).collect(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_services_own_endpoint_comes_before_the_one_for_all() {
        let endpoints = Endpoints::read(|name| match name {
            "AWS_ENDPOINT_URL" => Some("http://all".to_owned()),
            "AWS_ENDPOINT_URL_DYNAMODB" => Some("http://dynamo".to_owned()),
            "AWS_ENDPOINT_URL_S3" => Some(String::new()),
            _ => None,
        })
        .expect("both are URLs");
        assert_eq!(endpoints.of(Service::DynamoDb), Some("http://dynamo"));
        assert_eq!(endpoints.of(Service::S3), Some("http://all"), "an empty variable is how templates leave one out");
        assert_eq!(Endpoints::read(|_| None).expect("none is set").of(Service::S3), None);
        let told = endpoints.variables();
        let again = Endpoints::read(|name| told.iter().find(|(known, _)| *known == name).map(|(_, url)| url.clone()));
        assert_eq!(again, Ok(endpoints), "another process that is told the variables goes to the same places");
    }
    #[test]
    fn what_is_no_endpoint_is_said_with_its_variable() {
        for (value, why) in [
            ("nonsense", "no URL"),
            ("127.0.0.1:9000", "no URL"),
            ("localhost:9000", "neither http://"),
            ("s3://bucket", "neither http://"),
            ("http://", "no URL"),
            ("http://user@host", "more than a host"),
            ("http://host?x=1", "more than a host"),
        ] {
            for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
                let said = Endpoints::read(|name| (name == variable).then(|| value.to_owned())).expect_err(value);
                let said = said.to_string();
                assert!(said.contains(&format!("{variable} is `{value}`")) && said.contains(why), "{said}");
                assert!(said.contains("http://127.0.0.1:9000"), "{said}");
            }
        }
        for good in ["http://127.0.0.1:9000", "https://s3.example.com/", "http://[::1]:9000/base"] {
            assert!(Endpoints::read(|_| Some(good.to_owned())).is_ok(), "{good}");
        }
    }
}
