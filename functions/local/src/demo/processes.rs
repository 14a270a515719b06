//! What the processes report of themselves at each interval: memory, processor time, requests in flight, garbage collection,
//! and how far the consumer of `orders` is behind. Each value follows from the time alone, so any range can be told.

use model::{MICROS_PER_DAY, Micros};

use super::outbox::Outbox;
use super::pace::rhythm;
use super::points;
use super::service::{Instance, Release, Service, mix};
use super::trouble;
use super::wire::{Value, Wire};

const CPU_CORES_PER_POD: f64 = 0.12;

/// Reports of every process that runs at `at`; they were started at `deployed_at` if that is past, else on some Monday.
pub(super) fn report(out: &mut Outbox, at: Micros, deployed_at: Option<Micros>) {
    let (release, started_at) = match deployed_at {
        Some(deployed_at) if deployed_at <= at => (Release::New, deployed_at),
        _ => (Release::Old, monday_before(at)),
    };
    for service in Service::ALL {
        for pod in 0..service.pods() {
            let instance = Instance { service, pod, release };
            // The killed one starts anew.
            let started_at = match service {
                Service::Recommendation => started_at.max(trouble::last_killed(at)),
                _ => started_at,
            };
            report_one(out, instance, started_at, at);
        }
    }
}

fn report_one(out: &mut Outbox, instance: Instance, started_at: Micros, at: Micros) {
    let memory = points::int_point(&[], 0, at, memory_bytes(instance, at) as i64);
    out.metric(instance, &points::gauge("k8s.pod.memory.usage", "By", "Memory usage of the Pod.", &[memory]), 1);

    let cpu = cpu_seconds(instance, started_at, at);
    let modes: Vec<Wire> = [("user", 0.8), ("system", 0.2)]
        .iter()
        .map(|(mode, share)| points::double_point(&[("cpu.mode", Value::Text(mode))], started_at, at, cpu * share))
        .collect();
    let name = "process.cpu.time";
    out.metric(instance, &points::counter(name, "s", "Total CPU seconds.", points::CUMULATIVE, &modes), modes.len());

    match instance.service {
        Service::Web | Service::Gateway | Service::Checkout => {
            let active = (4.0 * rhythm(at) * (0.5 + noise(instance, at, 1))) as i64;
            let point = points::int_point(&[("url.scheme", Value::Text("http"))], started_at, at, active);
            let name = "http.server.active_requests";
            let metric = points::up_down_counter(name, "{request}", "Number of active HTTP server requests.", &[point]);
            out.metric(instance, &metric, 1);
        }
        Service::Shipping => {
            let failing = trouble::provider_is_failing(at);
            let lag = rhythm(at) * 6.0 * noise(instance, at, 2) * if failing { 0.2 } else { 1.0 };
            let attributes = [
                ("messaging.destination.name", Value::Text("orders")),
                ("messaging.consumer.group.name", Value::Text("shipping")),
            ];
            let point = points::double_point(&attributes, 0, at, lag.floor());
            let metric = points::gauge("kafka.consumer.group.lag", "{message}", "Messages not yet consumed.", &[point]);
            out.metric(instance, &metric, 1);
        }
        _ => {}
    }
    if instance.service == Service::Checkout {
        // A Prometheus client, scraped by the collector, which makes summaries of them.
        let collections = (at - started_at) as u64 / 7_000_000;
        let pause = 0.004 + 0.003 * noise(instance, at, 3);
        let quantiles = [(0.5, pause), (0.9, pause * 2.1), (0.99, pause * 6.5)];
        let attributes = [("action", Value::Text("end of minor GC")), ("cause", Value::Text("G1 Evacuation Pause"))];
        let sum = collections as f64 * 0.0061;
        let point = points::summary_point(&attributes, started_at, at, collections, sum, &quantiles);
        out.metric(instance, &points::summary("jvm_gc_pause_seconds", "s", "Time spent in GC pauses.", &[point]), 1);
    }
}

/// Breathes with the traffic; [`Service::Recommendation`] leaks on top of it.
fn memory_bytes(instance: Instance, at: Micros) -> f64 {
    let base = instance.service.facts().memory_bytes;
    let leaked = if instance.service == Service::Recommendation { trouble::leaked_bytes(at) } else { 0.0 };
    base * (1.0 + 0.08 * rhythm(at) + 0.03 * noise(instance, at, 0)) + leaked
}

/// Since the start; its slope follows the time of day, so it never falls.
fn cpu_seconds(instance: Instance, started_at: Micros, at: Micros) -> f64 {
    let day = MICROS_PER_DAY as f64;
    let phase = |at: Micros| {
        let days = at as f64 / day;
        days - 0.6 * (std::f64::consts::TAU * (days - 0.375)).cos() / std::f64::consts::TAU
    };
    let busy = 0.5 + instance.service.facts().memory_bytes.log10() / 9.0;
    (phase(at) - phase(started_at)) * 86_400.0 * CPU_CORES_PER_POD * busy * (1.0 + 0.1 * instance.pod as f64)
}

/// From 0 to 1, the same for the same moment.
fn noise(instance: Instance, at: Micros, what: u64) -> f64 {
    (mix(mix(at.cast_unsigned(), instance.index() as u64), what) >> 11) as f64 / (1_u64 << 53) as f64
}

fn monday_before(at: Micros) -> Micros {
    let weekday = (at.div_euclid(MICROS_PER_DAY) + 3).rem_euclid(7);
    (at.div_euclid(MICROS_PER_DAY) - weekday) * MICROS_PER_DAY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_never_falls_and_the_leak_ends_at_four() {
        let instance = Instance { service: Service::Recommendation, pod: 0, release: Release::Old };
        let cpu: Vec<f64> = (0..2 * 24 * 60).map(|minute| cpu_seconds(instance, 0, minute * 60_000_000)).collect();
        assert!(cpu[0] == 0.0 && cpu.windows(2).all(|pair| pair[0] < pair[1]));
        let hour = |h: i64| memory_bytes(instance, 10 * MICROS_PER_DAY + h * 3_600_000_000);
        assert!(hour(3) > 1.7e9 && hour(4) < 0.5e9 && hour(16) > 1.0e9, "{} {} {}", hour(3), hour(4), hour(16));
    }
}
