//! `make cloud`: the dev cloud for people. Starts emulators, the stack that `template.yaml` describes and its functions, says
//! where everything is, and then tells of each invocation in a line, until Ctrl-C.

mod told;

use std::process::ExitCode;
use std::time::Duration;

use tests::cloud::Emulators;
use tests::cloud::dev::{DevCloud, Settings, Throttled, Ticks};
use tests::cloud::journal::Journal;

/// Of the stack, and so in every name.
const STACK: &str = "plimsoll-dev";
/// Before the journal is looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let faster = std::env::var("FASTER").ok().filter(|set| !set.is_empty());
    let Ok(faster) = faster.as_deref().unwrap_or("1").parse() else {
        eprintln!("FASTER must be a whole number: schedules fire so many times as often");
        return ExitCode::from(2);
    };
    let progress = told::Progress::start();
    progress.step("moto (S3, SQS, STS, KMS, SES, Secrets Manager) and DynamoDB Local");
    let emulators = Emulators::start();
    progress.step("the stores of template.yaml, the first project and its keys");
    let cloud = DevCloud::start(STACK, &emulators, settings(faster));
    cloud.describe();
    progress.step("a process of each function");
    for function in cloud.lambda().functions() {
        if let Err(error) = cloud.runtime().block_on(cloud.lambda().warm_up(&function.name)) {
            eprintln!("{} does not start: {error}", function.name);
            cloud.lambda().journal().lines(&function.name).iter().for_each(|line| eprintln!("  {line}"));
            return ExitCode::FAILURE;
        }
    }
    progress.done();
    println!("{}", told::welcome(&cloud, &emulators, faster));
    follow(&cloud);
    println!("stopping");
    ExitCode::SUCCESS
}

/// As the template has it, but for what would keep a person waiting.
fn settings(faster: u32) -> Settings {
    Settings {
        parameters: vec![("CompactAfter", "30s".to_owned()), ("TriggerBatchWindowSeconds", "1".to_owned())],
        visibility: Some(Duration::from_secs(60)),
        ticks: Ticks::Faster(faster.max(1)),
        concurrency_max: 8,
        throttling: Throttled::Below("/"),
        ..Settings::default()
    }
}

/// A line for each invocation, until the first signal.
fn follow(cloud: &DevCloud) {
    let journal: &Journal = cloud.lambda().journal();
    cloud.runtime().block_on(async {
        let stop = boot::shutdown_signal().expect("signals can be waited for");
        let mut n_told = 0;
        while !stop.is_cancelled() {
            for invoked in journal.invoked_after(n_told) {
                n_told += 1;
                println!("{}", told::line(STACK, &invoked));
                if invoked.result.is_err() {
                    let lines = journal.lines(&invoked.function);
                    lines[lines.len().saturating_sub(3)..].iter().for_each(|line| println!("    {line}"));
                }
            }
            tokio::time::timeout(LOOK_EVERY, stop.cancelled()).await.ok();
        }
    });
}
