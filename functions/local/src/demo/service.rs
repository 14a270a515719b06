//! The shop's eight services, where they run, and the resources they say so with.

use super::wire::Wire;

/// One of the services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Next.js, renders the pages.
    Web,
    /// Go, the API behind the pages.
    Gateway,
    /// .NET, carts in Redis.
    Cart,
    /// Java, orders in PostgreSQL, sends to Kafka.
    Checkout,
    /// Ruby, charges cards at providers.
    Payment,
    /// Rust, products and stock in PostgreSQL, spoken to by gRPC.
    Inventory,
    /// Python, suggestions from a vector index and a language model.
    Recommendation,
    /// PHP, receives from Kafka, orders parcels; its SDK still sends the older attribute names.
    Shipping,
}

/// What is fixed about a service.
pub(super) struct Facts {
    pub(super) name: &'static str,
    language: &'static str,
    sdk_version: &'static str,
    runtime: (&'static str, &'static str),
    /// Version before and after the deploy; the same twice: not deployed.
    versions: [&'static str; 2],
    /// Name and version of the instrumentation scope.
    scope: (&'static str, &'static str),
    /// Kubernetes pods.
    pods: usize,
    /// Bytes that a pod takes when it has just started.
    pub(super) memory_bytes: f64,
}

/// Most pods of a service.
pub(super) const PODS_MAX: usize = 2;
/// Places for every pod of every service before and after the deploy.
pub(super) const INSTANCES: usize = Service::ALL.len() * PODS_MAX * 2;

/// A process: a pod of a service, before or after the deploy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instance {
    pub(super) service: Service,
    pub(super) pod: usize,
    pub(super) release: Release,
}

/// Which side of the deploy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Release {
    Old,
    New,
}

impl Service {
    pub const ALL: [Service; 8] = [
        Service::Web,
        Service::Gateway,
        Service::Cart,
        Service::Checkout,
        Service::Payment,
        Service::Inventory,
        Service::Recommendation,
        Service::Shipping,
    ];

    /// `service.name`.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    pub(super) fn pods(self) -> usize {
        self.facts().pods
    }

    pub(super) fn facts(self) -> &'static Facts {
        match self {
            Service::Web => &WEB,
            Service::Gateway => &GATEWAY,
            Service::Cart => &CART,
            Service::Checkout => &CHECKOUT,
            Service::Payment => &PAYMENT,
            Service::Inventory => &INVENTORY,
            Service::Recommendation => &RECOMMENDATION,
            Service::Shipping => &SHIPPING,
        }
    }
}

static WEB: Facts = Facts {
    name: "web",
    language: "nodejs",
    sdk_version: "2.12.0",
    runtime: ("nodejs", "22.11.0"),
    versions: ["5.14.0", "5.15.0"],
    scope: ("@opentelemetry/instrumentation-http", "0.223.0"),
    pods: 2,
    memory_bytes: 210e6,
};
static GATEWAY: Facts = Facts {
    name: "gateway",
    language: "go",
    sdk_version: "1.41.0",
    runtime: ("go", "go1.26.2"),
    versions: ["2.7.3", "2.7.3"],
    scope: ("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp", "0.66.0"),
    pods: 2,
    memory_bytes: 48e6,
};
static CART: Facts = Facts {
    name: "cart",
    language: "dotnet",
    sdk_version: "1.15.0",
    runtime: (".NET", "10.0.1"),
    versions: ["3.2.1", "3.2.1"],
    scope: ("Microsoft.AspNetCore", "10.0.1"),
    pods: 2,
    memory_bytes: 160e6,
};
static CHECKOUT: Facts = Facts {
    name: "checkout",
    language: "java",
    sdk_version: "1.57.0",
    runtime: ("OpenJDK Runtime Environment", "25.0.1+8"),
    versions: ["4.0.9", "4.0.9"],
    scope: ("io.opentelemetry.spring-webmvc-6.0", "2.23.0-alpha"),
    pods: 1,
    memory_bytes: 480e6,
};
static PAYMENT: Facts = Facts {
    name: "payment",
    language: "ruby",
    sdk_version: "1.10.0",
    runtime: ("ruby", "3.4.7"),
    versions: ["2.19.4", "2.20.0"],
    scope: ("OpenTelemetry::Instrumentation::Grpc", "0.5.0"),
    pods: 1,
    memory_bytes: 190e6,
};
static INVENTORY: Facts = Facts {
    name: "inventory",
    language: "rust",
    sdk_version: "0.33.0",
    runtime: ("rustc", "1.95.0"),
    versions: ["1.8.2", "1.9.0"],
    scope: ("inventory::grpc", "1.0.0"),
    pods: 2,
    memory_bytes: 31e6,
};
static RECOMMENDATION: Facts = Facts {
    name: "recommendation",
    language: "python",
    sdk_version: "1.45.2",
    runtime: ("cpython", "3.14.1"),
    versions: ["0.42.0", "0.42.0"],
    scope: ("opentelemetry.instrumentation.fastapi", "0.66b2"),
    pods: 1,
    memory_bytes: 350e6,
};
static SHIPPING: Facts = Facts {
    name: "shipping",
    language: "php",
    sdk_version: "1.0.8",
    runtime: ("cli", "8.2.29"),
    versions: ["1.3.0", "1.3.0"],
    scope: ("io.opentelemetry.contrib.php.psr18", "1.0.1"),
    pods: 1,
    memory_bytes: 74e6,
};

impl Instance {
    /// A place of its own for every instance, below [`INSTANCES`].
    pub(super) fn index(self) -> usize {
        (self.service as usize * PODS_MAX + self.pod) * 2 + self.release as usize
    }

    pub(super) fn at(index: usize) -> Self {
        let release = if index.is_multiple_of(2) { Release::Old } else { Release::New };
        Self { service: Service::ALL[index / 2 / PODS_MAX], pod: index / 2 % PODS_MAX, release }
    }

    /// The Resource message. Pods have new names after a deploy, as Kubernetes gives them.
    pub(super) fn resource(self) -> Wire {
        let facts = self.service.facts();
        let version = facts.versions[self.release as usize];
        let deployed = facts.versions[0] != facts.versions[1];
        let (name, pod) = (facts.name, self.pod);
        // Stable stand-ins for what Kubernetes draws: nine digits of a replica set, five of a pod.
        let replica_set = mix(self.service as u64, if deployed { self.release as u64 } else { 0 });
        let pod_draw = mix(replica_set, pod as u64);
        let pod_name = format!("{name}-{:09x}-{:05x}", replica_set >> 28, pod_draw >> 44);
        let pod_uid = uuid_like(pod_draw, mix(pod_draw, 1));
        let container_id = format!("{:016x}{:016x}", mix(pod_draw, 2), mix(pod_draw, 3));
        let node = (self.service as usize + pod) % 3;
        let zone = ["eu-central-1a", "eu-central-1b", "eu-central-1c"][node];
        let node_name = format!("ip-10-0-{node}-{}.eu-central-1.compute.internal", 17 + 31 * node);

        let mut resource = Wire::default();
        let mut text = |key: &str, value: &str| resource.attribute(1, key, value.into());
        text("service.name", name);
        text("service.namespace", "shop");
        text("service.version", version);
        text("service.instance.id", &pod_uid);
        text(self.environment_key(), "production");
        text("telemetry.sdk.name", "opentelemetry");
        text("telemetry.sdk.language", facts.language);
        text("telemetry.sdk.version", facts.sdk_version);
        text("process.runtime.name", facts.runtime.0);
        text("process.runtime.version", facts.runtime.1);
        text("host.name", &pod_name);
        text("host.arch", "arm64");
        text("os.type", "linux");
        text("container.id", &container_id);
        text("container.image.name", &format!("registry.shop.example/{name}"));
        text("k8s.cluster.name", "shop-production");
        text("k8s.namespace.name", "shop");
        text("k8s.deployment.name", name);
        text("k8s.pod.name", &pod_name);
        text("k8s.pod.uid", &pod_uid);
        text("k8s.container.name", name);
        text("k8s.node.name", &node_name);
        text("cloud.provider", "aws");
        text("cloud.platform", "aws_eks");
        text("cloud.region", "eu-central-1");
        text("cloud.availability_zone", zone);
        text("cloud.account.id", "123456789012");
        resource.attribute(1, "process.pid", (1 + 7 * pod as i64).into());
        resource
    }

    /// The InstrumentationScope message.
    pub(super) fn scope(self) -> Wire {
        let (name, version) = self.service.facts().scope;
        let mut scope = Wire::default();
        scope.text(1, name);
        scope.text(2, version);
        scope
    }

    /// The schema that the resource's and the records' attribute names are of.
    pub(super) fn schema_url(self) -> &'static str {
        match self.service {
            Service::Shipping => "https://opentelemetry.io/schemas/1.20.0",
            _ => "https://opentelemetry.io/schemas/1.37.0",
        }
    }

    fn environment_key(self) -> &'static str {
        match self.service {
            Service::Shipping => "deployment.environment",
            _ => "deployment.environment.name",
        }
    }
}

/// Two numbers into one that looks drawn (the finaliser of SplitMix64).
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(b).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Two numbers in the form of a version 4 UUID.
pub(super) fn uuid_like(a: u64, b: u64) -> String {
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        0x8000 | ((b >> 48) & 0x3fff),
        b & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instance_has_a_place_of_its_own() {
        for index in 0..INSTANCES {
            assert_eq!(Instance::at(index).index(), index);
        }
        assert!(Service::ALL.iter().all(|s| (1..=PODS_MAX).contains(&s.pods())));
    }
}
