//! The promoted attributes of spans, logs and metric points.
//!
//! Keys and older spellings are those of the OpenTelemetry semantic conventions, schema file 1.44.0 and the registry's
//! `deprecated` groups; each older spelling names the schema version that renamed it. What a schema file calls a split or leaves
//! to the reader has its reason beside it.

use super::Type::{Flag, Float, Int, Text};
use super::{Older, Row, Rule, same};

const fn on_server(key: &'static str) -> Older {
    Older { key, rule: Rule::OnServer }
}

const fn else_than_server(key: &'static str) -> Older {
    Older { key, rule: Rule::ElseThanServer }
}

pub(super) const TABLE: &[Row] = &[
    // http, url, user_agent: 1.21.0 renamed http.*; 1.19.0 http.user_agent.
    Row("http.request.method", Text, &[same("http.method")]),
    Row("http.request.method_original", Text, &[]),
    Row("http.request.resend_count", Int, &[same("http.resend_count"), same("http.retry_count")]), // 1.22.0, 1.15.0
    Row(
        "http.request.body.size",
        Int,
        &[same("http.request_content_length"), same("http.request_content_length_uncompressed")],
    ),
    Row("http.response.status_code", Int, &[same("http.status_code")]),
    Row(
        "http.response.body.size",
        Int,
        &[same("http.response_content_length"), same("http.response_content_length_uncompressed")],
    ),
    Row("http.route", Text, &[]),
    Row("url.full", Text, &[same("http.url")]),
    Row("url.scheme", Text, &[same("http.scheme")]),
    // The registry: http.target is "split to url.path and url.query".
    Row("url.path", Text, &[Older { key: "http.target", rule: Rule::BeforeQuestionMark }]),
    Row("url.query", Text, &[Older { key: "http.target", rule: Rule::AfterQuestionMark }]),
    Row("url.template", Text, &[]),
    Row("user_agent.original", Text, &[same("http.user_agent")]),
    // client, server, network: 1.21.0. The registry: net.peer.* is the server on client spans and the client on server spans.
    Row("client.address", Text, &[same("http.client_ip"), on_server("net.peer.name")]),
    Row("client.port", Int, &[on_server("net.peer.port")]),
    Row(
        "server.address",
        Text,
        &[
            same("net.host.name"),
            same("http.server_name"),
            else_than_server("net.peer.name"),
            same("tls.client.server_name"),
        ],
    ),
    Row("server.port", Int, &[same("net.host.port"), else_than_server("net.peer.port")]),
    Row("network.peer.address", Text, &[same("net.sock.peer.addr"), same("net.peer.ip")]),
    Row("network.peer.port", Int, &[same("net.sock.peer.port")]),
    Row("network.transport", Text, &[same("net.transport")]),
    Row("network.type", Text, &[]),
    Row(
        "network.protocol.name",
        Text,
        &[same("net.protocol.name"), same("net.app.protocol.name"), same("messaging.protocol")],
    ),
    // The registry splits http.flavor into name and version; its values are versions.
    Row(
        "network.protocol.version",
        Text,
        &[
            same("net.protocol.version"),
            same("net.app.protocol.version"),
            same("http.flavor"),
            same("messaging.protocol_version"),
        ],
    ),
    // The far service of a call: 1.39.0.
    Row("service.peer.name", Text, &[same("peer.service")]),
    // user, session: 1.26.0 renamed enduser.id.
    Row("user.id", Text, &[same("enduser.id")]),
    Row("user.email", Text, &[]),
    Row("user.name", Text, &[]),
    Row("user.full_name", Text, &[]),
    Row("session.id", Text, &[]),
    Row("session.previous_id", Text, &[]),
    // db: 1.30.0 db.system, 1.25.0 the others, 1.8.0 the two that became db.name; redis and cosmosdb from the registry.
    Row("db.system.name", Text, &[same("db.system")]),
    Row(
        "db.collection.name",
        Text,
        &[
            same("db.sql.table"),
            same("db.mongodb.collection"),
            same("db.cassandra.table"),
            same("db.cosmosdb.container"),
        ],
    ),
    Row(
        "db.namespace",
        Text,
        &[
            same("db.name"),
            same("db.redis.database_index"),
            same("db.elasticsearch.cluster.name"),
            same("db.cassandra.keyspace"),
            same("db.hbase.namespace"),
        ],
    ),
    Row("db.operation.name", Text, &[same("db.operation")]),
    Row("db.operation.batch.size", Int, &[]),
    Row("db.stored_procedure.name", Text, &[]),
    Row("db.response.status_code", Text, &[same("db.cosmosdb.status_code")]),
    Row("db.response.returned_rows", Int, &[]),
    Row("db.query.text", Text, &[same("db.statement")]),
    Row("db.query.summary", Text, &[]),
    // messaging: 1.17.0 the destination and ids, 1.25.0 the operation, 1.27.0 (and 1.17.0 before it) the consumer group.
    Row("messaging.system", Text, &[]),
    Row("messaging.destination.name", Text, &[same("messaging.destination")]),
    Row("messaging.operation.name", Text, &[]),
    Row("messaging.operation.type", Text, &[same("messaging.operation")]),
    Row(
        "messaging.consumer.group.name",
        Text,
        &[
            same("messaging.kafka.consumer.group"),
            same("messaging.kafka.consumer_group"),
            same("messaging.rocketmq.client_group"),
            same("messaging.eventhubs.consumer.group"),
        ],
    ),
    Row("messaging.message.id", Text, &[same("messaging.message_id")]),
    Row("messaging.batch.message_count", Int, &[]),
    // rpc: 1.39.0. rpc.service went into rpc.method, and rpc.grpc.status_code (a number) into rpc.response.status_code (a name):
    // other values, so each keeps its own column.
    Row("rpc.system.name", Text, &[same("rpc.system")]),
    Row("rpc.service", Text, &[]),
    Row("rpc.method", Text, &[]),
    Row("rpc.response.status_code", Text, &[same("rpc.connect_rpc.error_code")]),
    Row("rpc.grpc.status_code", Int, &[]),
    // error, exception, code, thread: 1.30.0 renamed code.*.
    Row("error.type", Text, &[]),
    Row("exception.type", Text, &[]),
    Row("exception.message", Text, &[]),
    Row("exception.stacktrace", Text, &[]),
    Row("code.function.name", Text, &[same("code.function")]),
    Row("code.file.path", Text, &[same("code.filepath")]),
    Row("code.line.number", Int, &[same("code.lineno")]),
    Row("code.column.number", Int, &[same("code.column")]),
    Row("code.stacktrace", Text, &[]),
    Row("thread.id", Int, &[]),
    Row("thread.name", Text, &[]),
    // gen_ai: 1.37.0 the provider, 1.27.0 the token counts.
    Row("gen_ai.provider.name", Text, &[same("gen_ai.system")]),
    Row("gen_ai.operation.name", Text, &[]),
    Row("gen_ai.request.model", Text, &[]),
    Row("gen_ai.request.temperature", Float, &[]),
    Row("gen_ai.response.model", Text, &[]),
    Row("gen_ai.response.id", Text, &[]),
    Row("gen_ai.usage.input_tokens", Int, &[same("gen_ai.usage.prompt_tokens")]),
    Row("gen_ai.usage.output_tokens", Int, &[same("gen_ai.usage.completion_tokens")]),
    Row("gen_ai.conversation.id", Text, &[]),
    Row("gen_ai.agent.name", Text, &[]),
    Row("gen_ai.tool.name", Text, &[]),
    // faas: 1.19.0 renamed the invocation.
    Row("faas.trigger", Text, &[]),
    Row("faas.invocation_id", Text, &[same("faas.execution")]),
    Row("faas.coldstart", Flag, &[]),
    // feature_flag, graphql: 1.32.0 and 1.33.0.
    Row("feature_flag.key", Text, &[]),
    Row("feature_flag.result.variant", Text, &[same("feature_flag.variant")]),
    Row("graphql.operation.name", Text, &[]),
    Row("graphql.operation.type", Text, &[]),
    // browser: a resource in the conventions, but browser SDKs say it of spans and logs too.
    Row("browser.language", Text, &[]),
    Row("browser.platform", Text, &[]),
    Row("browser.mobile", Flag, &[]),
];
