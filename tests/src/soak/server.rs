//! The server of the slow spells: what `plimsoll serve` runs, on a disk that can be told to be slow, and with less
//! patience, so that cleaning and merging happen within minutes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use compact::plan::MergeRule;
use local::serve::{Rhythm, ServeConfig, Server};

use super::slow::SlowStore;

const MIB: u64 = 1 << 20;

/// Serves until killed or told to stop, and says where as `plimsoll serve` does. `slowness` is the file that says how slow
/// the disk is.
pub fn serve(data: &Path, slowness: &Path) {
    boot::start_log(boot::Env::of_process(), boot::LogFormat::Text).expect("the log starts");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(local::STACK_BYTES)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let stop = boot::shutdown_signal().expect("signals can be waited for");
        match Server::start(config(data, slowness)).await {
            Ok(server) => {
                print!("{}", server.welcome());
                stop.cancelled().await;
                server.stop().await;
            }
            // On a full disk, for instance.
            Err(error) => eprintln!("the server did not start: {error}"),
        }
    });
}

fn config(data: &Path, slowness: &Path) -> ServeConfig {
    let any_port = "127.0.0.1:0".parse().expect("an address");
    let slowness = slowness.to_owned();
    let mut config = ServeConfig {
        otlp_listen: any_port,
        listen: any_port,
        rhythm: Rhythm { sweep_every: Duration::from_secs(2), upkeep_every: Duration::from_secs(5) },
        objects_layer: Arc::new(move |disk| Arc::new(SlowStore::new(disk, slowness.clone()))),
        ..ServeConfig::new(data)
    };
    config.compact.due.age = 4_000_000;
    config.compact.due.segments = 60;
    config.compact.batch_bytes_max = 2 * MIB;
    config.compact.mark_delay = Duration::from_secs(10);
    // Longer than the two minutes within which a segment is recorded.
    config.compact.landing_kept = Duration::from_secs(4 * 60);
    config.compact.vacuum_horizon = Duration::from_secs(90);
    config.compact.log_kept = Duration::from_secs(10 * 60);
    config.compact.checkpoint_commits = 8;
    config.compact.merge =
        MergeRule { target_bytes: 16 * MIB, small_bytes: 8 * MIB, fan_in: 4, ..MergeRule::default() };
    config
}
