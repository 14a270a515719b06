//! The promoted attributes of resources; sources as in `attributes.rs`.

use super::Type::{Flag, Int, Text};
use super::{Row, same};

pub(super) const TABLE: &[Row] = &[
    Row("service.name", Text, &[]),
    Row("service.version", Text, &[]),
    Row("service.namespace", Text, &[]),
    Row("service.instance.id", Text, &[]),
    Row("deployment.environment.name", Text, &[same("deployment.environment")]), // 1.27.0
    Row("telemetry.sdk.name", Text, &[]),
    Row("telemetry.sdk.language", Text, &[]),
    Row("telemetry.sdk.version", Text, &[]),
    Row("telemetry.distro.name", Text, &[]),
    Row("telemetry.distro.version", Text, &[same("telemetry.auto.version")]), // 1.22.0
    Row("host.name", Text, &[]),
    Row("host.id", Text, &[]),
    Row("host.arch", Text, &[]),
    Row("os.type", Text, &[]),
    Row("process.pid", Int, &[]),
    Row("process.executable.name", Text, &[]),
    Row("process.runtime.name", Text, &[]),
    Row("process.runtime.version", Text, &[]),
    Row("container.id", Text, &[]),
    Row("container.name", Text, &[]),
    Row("container.image.name", Text, &[]),
    Row("k8s.cluster.name", Text, &[]),
    Row("k8s.namespace.name", Text, &[]),
    Row("k8s.node.name", Text, &[]),
    Row("k8s.pod.name", Text, &[]),
    Row("k8s.pod.uid", Text, &[]),
    Row("k8s.container.name", Text, &[]),
    Row("k8s.deployment.name", Text, &[]),
    Row("k8s.statefulset.name", Text, &[]),
    Row("k8s.daemonset.name", Text, &[]),
    Row("k8s.job.name", Text, &[]),
    Row("cloud.provider", Text, &[]),
    Row("cloud.platform", Text, &[]),
    Row("cloud.region", Text, &[]),
    Row("cloud.availability_zone", Text, &[]),
    Row("cloud.account.id", Text, &[]),
    Row("cloud.resource_id", Text, &[same("faas.id")]), // 1.19.0
    Row("faas.name", Text, &[]),
    Row("faas.version", Text, &[]),
    Row("user_agent.original", Text, &[same("browser.user_agent")]), // 1.19.0
    Row("browser.language", Text, &[]),
    Row("browser.platform", Text, &[]),
    Row("browser.mobile", Flag, &[]),
];
