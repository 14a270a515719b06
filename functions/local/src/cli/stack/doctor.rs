//! `plimsoll doctor --stack`: is a deployed stack fit.

use aws::StackError;
use clap::Args;

use super::check::{Check, Checks};
use super::deployed::{Deployed, cloud, unreadable};
use super::keys::StackKeys;
use super::{block_on, end_to_end, resources};
use crate::cli::trust::TrustArg;
use crate::cli::{CliError, Hints};

#[derive(Debug, Args)]
pub(crate) struct SendArg {
    /// With --stack: send one log record, and read it back
    #[arg(long, requires = "stack")]
    send: bool,
    #[command(flatten)]
    trust: TrustArg,
}

pub(crate) fn doctor(name: &str, args: &SendArg) -> Result<Checks, CliError> {
    let (mut checks, open) = block_on(from_aws(name))??;
    if let Some((deployed, keys)) = &open {
        checks.extend(end_to_end::checks(deployed, keys, &args.trust));
        if args.send {
            checks.push(end_to_end::send(deployed, keys, &args.trust));
        }
    }
    let hints = Hints::for_stack(name);
    checks.iter_mut().for_each(|check| check.advice = hints.complete(&check.advice).into_owned());
    Ok(Checks(checks))
}

/// What AWS tells, and the stack with its keys if there is any use in speaking to it.
async fn from_aws(name: &str) -> Result<(Vec<Check>, Option<(Deployed, StackKeys)>), CliError> {
    let cloud = cloud().await?;
    let stack = match cloud.stack(name).await {
        Ok(stack) => stack,
        Err(error @ StackError::Missing { .. }) => {
            return Ok((vec![Check::failed("stack", &unreadable(&error))], None));
        }
        Err(error) => return Err(unreadable(&error)),
    };
    let mut checks = vec![resources::stack(&stack)];
    let deployed = match Deployed::of(&stack, &cloud) {
        Ok(deployed) => deployed,
        Err(missing) => {
            let found = format!("lacks {}", missing.join(", "));
            checks.push(Check::fail("outputs", found, "deploy Plimsoll's template of this version under this name"));
            return Ok((checks, None));
        }
    };
    checks.extend(resources::table(&cloud, &deployed).await);
    checks.extend(resources::bucket(&cloud, &deployed).await);
    checks.extend(resources::queues(&cloud, &deployed).await);
    checks.extend(resources::functions(&cloud, &deployed).await);
    let keys = match deployed.keys(&cloud).await {
        Ok(Some(keys)) if keys.enrolled => keys,
        Ok(_) => {
            let advice = format!("plimsoll stack init --stack {name}");
            checks.push(Check::fail("keys", "there are none yet, or the first run broke off", advice));
            return Ok((checks, None));
        }
        Err(error) => {
            checks.push(Check::failed("keys", &error));
            return Ok((checks, None));
        }
    };
    checks.push(Check::ok("keys", format!("of project `{}`, in the secret", keys.project)));
    Ok((checks, Some((deployed, keys))))
}
