//! What the servers counted, over all starts: their counters begin at nothing each time.

use std::collections::BTreeMap;
use std::time::Duration;

use local::serve::Credentials;

use super::subject::Subject;
use super::weather::Weather;
use crate::Client;

const EVERY: Duration = Duration::from_millis(500);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Counters by name, summed over labels and starts; what was counted between a look and a kill is not in them.
#[derive(Clone, Debug, Default)]
pub(super) struct Meters {
    before: BTreeMap<String, u64>,
    /// Of the server that runs.
    now: BTreeMap<String, u64>,
    pid: u32,
    pub(super) peak_resident_bytes: u64,
    pub(super) peak_disk_bytes: u64,
}

impl Meters {
    /// Looks until all is over.
    pub(super) fn watch(subject: &Subject, keys: &Credentials, weather: &Weather) -> Self {
        let mut meters = Self::default();
        let mut client = Client::patient_for(ANSWER_WITHIN, keys.clone());
        while !weather.is_over() {
            meters.look(subject, &mut client);
            std::thread::sleep(EVERY);
        }
        meters
    }

    pub(super) fn get(&self, name: &str) -> u64 {
        self.before.get(name).unwrap_or(&0) + self.now.get(name).unwrap_or(&0)
    }

    fn look(&mut self, subject: &Subject, client: &mut Client) {
        let Some(address) = subject.address() else { return };
        address.point(client);
        let url = format!("{}/metrics", client.keys.api_url);
        let Some(reply) = client.try_send("GET", &url, &[], b"") else { return };
        if reply.status != 200 {
            return;
        }
        if self.pid != address.pid {
            for (name, value) in std::mem::take(&mut self.now) {
                *self.before.entry(name).or_default() += value;
            }
            self.pid = address.pid;
        }
        self.now = counters(&reply.text());
        self.peak_resident_bytes = self.peak_resident_bytes.max(peak_resident(address.pid));
        self.peak_disk_bytes = self.peak_disk_bytes.max(subject.data_bytes().unwrap_or(0));
    }
}

fn counters(text: &str) -> BTreeMap<String, u64> {
    let mut counters = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = line.rsplit_once(' ') else { continue };
        let name = name.split('{').next().unwrap_or(name);
        if let (true, Ok(value)) = (name.ends_with("_total"), value.parse::<u64>()) {
            *counters.entry(name.to_owned()).or_default() += value;
        }
    }
    counters
}

/// 0: it has just ended.
fn peak_resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10
}
