//! Compaction as a function: messages of the queue, ticks of the schedules, requests of operators.

use ::compact::cloud::Compactor;
use ::compact::{App, Settings};

use super::*;

impl Installation {
    fn compact(&self) -> Compactor {
        let mut settings = Settings::default();
        settings.due.age = 0;
        let app = App::new(
            self.ledger.clone(),
            self.roots.clone(),
            self.logs(),
            Arc::clone(&self.projects),
            self.clock.clone(),
            Arc::new(RandomIds),
            settings,
        );
        Compactor::new(Arc::new(app), Arc::clone(&self.keys), &[])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_leave_the_queue_and_their_tables_are_compacted_once() {
    for sample in ["compact/sqs-one.json", "compact/sqs-many.json", "compact/sqs-duplicate.json"] {
        let world = Installation::new().await;
        world.answer(&world.ingest(), "ingest/http-api-logs-json.json").await;
        let answer = world.answer(&world.compact(), sample).await;
        assert_eq!(answer, json!({"batchItemFailures": []}), "{sample}");
        let view = world.ledger.read(&TableId::new(shop(), TableName::LogsAndSpans)).await.expect("read");
        assert!(view.unlisted().is_empty(), "{sample}: nothing waits any more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_trigger_leaves_and_what_a_newer_version_reads_comes_again() {
    let world = Installation::new().await;
    let answer = world.answer(&world.compact(), "compact/sqs-no-trigger.json").await;
    let newer = events::load::<Value>("compact/sqs-no-trigger.json")["Records"][2]["messageId"].clone();
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": newer}]}));
    let answer = world.answer(&world.compact(), "compact/sqs-s3-test.json").await;
    assert_eq!(answer, json!({"batchItemFailures": []}));
    assert_eq!(world.answer(&world.compact(), "compact/s3-test.json").await, json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_are_answered_with_what_was_done() {
    let world = Installation::new().await;
    world.answer(&world.ingest(), "ingest/http-api-logs-json.json").await;
    let swept = world.answer(&world.compact(), "compact/schedule-sweep.json").await;
    assert_eq!(swept, json!({"tables": 1, "need_attention": 0}));
    let repaired = world.answer(&world.compact(), "compact/repair.json").await;
    assert_eq!(repaired, json!({"tables": 2, "incomplete": 0, "out_of_reach": 0}));
    for sample in ["compact/schedule-maintenance.json", "compact/schedule-retention.json"] {
        let round = world.answer(&world.compact(), sample).await;
        assert_eq!(round["projects"], 1, "{sample}: {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_ask_over_http() {
    let world = Installation::new().await;
    world.answer(&world.ingest(), "ingest/http-api-logs-json.json").await;
    for sample in ["compact/http-api-compact.json", "compact/http-api-status.json"] {
        let answer = world.answer(&world.compact(), sample).await;
        assert_eq!(answer["statusCode"], 200, "{sample}: {answer}");
        assert!(body(&answer)["tables"].is_array(), "{sample}: {answer}");
    }
}
