//! Which version of a function runs.

use aws_sdk_lambda::Client;

use crate::fault::{Fault, fault};
use crate::{Cloud, Service};

/// A function, and what its alias points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionFacts {
    /// `Active`, or why it does not run.
    pub state: String,
    pub updated_at: String,
    /// Each alias with its version, and with the versions that a canary sends a part of the calls to.
    pub aliases: Vec<AliasFacts>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasFacts {
    pub name: String,
    pub version: String,
    /// Not empty while a deployment is shifting traffic.
    pub shifting_to: Vec<String>,
}

impl Cloud {
    pub async fn function_facts(&self, function: &str) -> Result<FunctionFacts, Fault> {
        let client = Client::new(&self.config(Service::Lambda));
        let asked = client.get_function_configuration().function_name(function);
        let configured = asked.send().await.map_err(fault)?;
        let listed = client.list_aliases().function_name(function).send().await.map_err(fault)?;
        let aliases = listed.aliases.unwrap_or_default().into_iter().map(|alias| AliasFacts {
            name: alias.name.unwrap_or_default(),
            version: alias.function_version.unwrap_or_default(),
            shifting_to: shifting(alias.routing_config),
        });
        Ok(FunctionFacts {
            state: configured.state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
            updated_at: configured.last_modified.unwrap_or_default(),
            aliases: aliases.collect(),
        })
    }
}

fn shifting(routing: Option<aws_sdk_lambda::types::AliasRoutingConfiguration>) -> Vec<String> {
    let weights = routing.and_then(|routing| routing.additional_version_weights).unwrap_or_default();
    let mut versions: Vec<String> = weights.into_keys().collect();
    versions.sort();
    versions
}
