//! CloudFormation: what a deployed stack says of itself.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::Client;

use crate::fault::{Fault, FaultKind, fault};
use crate::{Cloud, Service};

/// A deployed stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    pub name: String,
    /// As CloudFormation has it, such as `UPDATE_COMPLETE`.
    pub status: String,
    pub parameters: BTreeMap<String, String>,
    pub outputs: BTreeMap<String, String>,
}

/// Why a stack cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    #[error("there is no stack `{name}` in {region}")]
    Missing { name: String, region: String },
    #[error("cannot read stack `{name}`: {fault}")]
    Unreadable { name: String, fault: Fault },
}

impl Cloud {
    pub async fn stack(&self, name: &str) -> Result<Stack, StackError> {
        let described =
            Client::new(&self.config(Service::CloudFormation)).describe_stacks().stack_name(name).send().await;
        let found = match described {
            Ok(answer) => answer.stacks.unwrap_or_default().into_iter().next(),
            Err(error) => {
                let fault = fault(error);
                // CloudFormation has no code of its own for it.
                if fault.kind != FaultKind::Refused || !fault.words.contains("does not exist") {
                    return Err(StackError::Unreadable { name: name.to_owned(), fault });
                }
                None
            }
        };
        let stack =
            found.ok_or_else(|| StackError::Missing { name: name.to_owned(), region: self.region().to_owned() })?;
        let status = stack.stack_status().map(|status| status.as_str().to_owned()).unwrap_or_default();
        let outputs = stack.outputs.unwrap_or_default().into_iter();
        let outputs = outputs.filter_map(|output| Some((output.output_key?, output.output_value?))).collect();
        let parameters = stack.parameters.unwrap_or_default().into_iter();
        let parameters = parameters.filter_map(|given| Some((given.parameter_key?, given.parameter_value?))).collect();
        Ok(Stack { name: name.to_owned(), status, parameters, outputs })
    }

    /// The functions of a stack: logical id and name.
    pub async fn stack_functions(&self, name: &str) -> Result<Vec<(String, String)>, Fault> {
        let client = Client::new(&self.config(Service::CloudFormation));
        let mut functions = Vec::new();
        let mut pages = client.list_stack_resources().stack_name(name).into_paginator().items().send();
        while let Some(resource) = pages.next().await {
            let resource = resource.map_err(fault)?;
            if resource.resource_type.as_deref() == Some("AWS::Lambda::Function") {
                functions.extend(resource.logical_resource_id.zip(resource.physical_resource_id));
            }
        }
        Ok(functions)
    }
}
