//! Where a service is reached: at AWS itself, unless the environment names another place, as emulators and VPC endpoints need.

use std::collections::BTreeMap;

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

/// The variable for every service that has none of its own.
const VARIABLE: &str = "AWS_ENDPOINT_URL";

/// Endpoints that are not AWS's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// For each service that is not in `by_service`.
    everywhere: Option<String>,
    by_service: BTreeMap<Service, String>,
}

impl Endpoints {
    /// As `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>` say; empty counts as unset.
    pub fn of_process() -> Self {
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

    fn read(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| lookup(name).filter(|url| !url.is_empty());
        let by_service = Service::ALL.into_iter().filter_map(|service| Some((service, set(service.variable())?)));
        Self { everywhere: set(VARIABLE), by_service: by_service.collect() }
    }
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
        });
        assert_eq!(endpoints.of(Service::DynamoDb), Some("http://dynamo"));
        assert_eq!(endpoints.of(Service::S3), Some("http://all"), "an empty variable is how templates leave one out");
        assert_eq!(Endpoints::read(|_| None).of(Service::S3), None);
        let told = endpoints.variables();
        let again = Endpoints::read(|name| told.iter().find(|(known, _)| *known == name).map(|(_, url)| url.clone()));
        assert_eq!(again, endpoints, "another process that is told the variables goes to the same places");
    }
}
