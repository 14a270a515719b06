//! The proxy between the AWS SDKs and the emulators: nothing is lost on the way, and faults do what they do in AWS.

use aws::{Cloud, Endpoints, Service};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use aws_sdk_s3::primitives::ByteStream;
use tests::cloud::emulators::Emulators;
use tests::cloud::isolation::{ByoStore, breaches, n_calls_on};
use tests::cloud::proxy::{Act, Outcome, Proxy, Refusal, Rule, Upstreams, When, Who, access_key_id};

/// Larger than what an SDK sends without asking first (`Expect: 100-continue`).
const LARGE_BYTES: usize = 5 * 1024 * 1024 + 1;

async fn start() -> (&'static Emulators, Proxy) {
    let emulators = tokio::task::spawn_blocking(Emulators::shared).await.unwrap();
    let upstreams = Upstreams::new(emulators.moto_url()).with("dynamodb", emulators.dynamodb_url());
    (emulators, Proxy::start(upstreams).await.unwrap())
}

fn cloud_of(proxy: &Proxy, name: &str) -> Cloud {
    with_keys(proxy, Credentials::new(access_key_id(name), "secret", None, None, "test"))
}

fn with_keys(proxy: &Proxy, keys: Credentials) -> Cloud {
    Cloud::with_keys("eu-central-1", keys, Endpoints::everywhere(proxy.endpoint()))
}

fn s3(cloud: &Cloud) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(&cloud.config(Service::S3)).force_path_style(true).build();
    aws_sdk_s3::Client::from_conf(config)
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_go_through_whole() {
    let (emulators, proxy) = start().await;
    let bucket = emulators.bucket().await;
    let s3 = s3(&cloud_of(&proxy, "ingest"));
    let large: Vec<u8> = (0..LARGE_BYTES).map(|n| (n % 251) as u8).collect();

    let put = |body: &[u8]| {
        s3.put_object().bucket(&bucket).key("a b/ü+c").if_none_match("*").body(ByteStream::from(body.to_vec())).send()
    };
    put(&large).await.expect("it is stored");
    let lost = put(b"other").await.expect_err("it is there");
    assert_eq!(lost.raw_response().map(|answer| answer.status().as_u16()), Some(412));

    let head = s3.head_object().bucket(&bucket).key("a b/ü+c").send().await.expect("it is there");
    assert_eq!(head.content_length(), Some(LARGE_BYTES as i64));
    let read = s3.get_object().bucket(&bucket).key("a b/ü+c").send().await.expect("it is there");
    assert!(read.body.collect().await.expect("it reads").to_vec() == large, "the bytes that were stored");
    let part = s3.get_object().bucket(&bucket).key("a b/ü+c").range("bytes=1-3").send().await.expect("it is there");
    assert_eq!(part.body.collect().await.expect("it reads").to_vec(), [1, 2, 3]);
    let listed = s3.list_objects_v2().bucket(&bucket).prefix("a b/").send().await.expect("it lists");
    assert_eq!(listed.contents().iter().filter_map(|object| object.key()).collect::<Vec<_>>(), ["a b/ü+c"]);

    let object = format!("arn:aws:s3:::{bucket}/a b/ü+c");
    let told: Vec<_> = proxy.journal().calls().iter().map(|call| (call.operation.clone(), call.outcome)).collect();
    let operations: Vec<_> = told.iter().map(|(operation, _)| operation.as_str()).collect();
    assert_eq!(operations, ["PutObject", "PutObject", "HeadObject", "GetObject", "GetObject", "ListObjectsV2"]);
    assert!(proxy.journal().calls()[..5].iter().all(|call| call.needs[0].resource == object));
    assert!(proxy.journal().calls()[0].request_bytes >= LARGE_BYTES as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_whose_reply_is_lost_takes_effect_once() {
    let (emulators, proxy) = start().await;
    let table = emulators.table().await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&cloud_of(&proxy, "ingest").config(Service::DynamoDb));
    let add_one = || {
        let update = Update::builder()
            .table_name(&table)
            .key("pk", AttributeValue::S("counter".to_owned()))
            .key("sk", AttributeValue::S("one".to_owned()))
            .update_expression("ADD n :one")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
        TransactWriteItem::builder().update(update.build().unwrap()).build()
    };
    for (n, act) in [Act::LoseReply, Act::Misreport(Refusal::Internal), Act::Refuse(Refusal::Throttled), Act::Drop]
        .into_iter()
        .enumerate()
    {
        let mark = proxy.journal().len();
        let fault = proxy.faults().add(Rule::new(act, When::First(1)).operation("TransactWriteItems"));
        dynamodb.transact_write_items().transact_items(add_one()).send().await.expect("the SDK tries again");
        assert_eq!(proxy.faults().n_met(fault), 1);
        let calls = proxy.journal().since(mark);
        assert_eq!(calls.len(), 2, "{act:?}: {calls:?}");
        assert_eq!(calls[0].needs[0].action, "dynamodb:UpdateItem");

        let read = dynamodb.get_item().table_name(&table).consistent_read(true);
        let read =
            read.key("pk", AttributeValue::S("counter".to_owned())).key("sk", AttributeValue::S("one".to_owned()));
        let item = read.send().await.expect("it reads").item.expect("it is there");
        assert_eq!(item["n"], AttributeValue::N((n + 1).to_string()), "{act:?}");
    }
}

/// A caller as Plimsoll's should be, made by hand: what is shown here is that the emulated STS, this proxy and the check
/// play together.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_known_by_the_role_it_was_issued_for() {
    let (emulators, proxy) = start().await;
    let bucket = emulators.bucket().await;
    let store = ByoStore {
        project: "shop".to_owned(),
        bucket: bucket.clone(),
        root: "telemetry/shop/".to_owned(),
        role: "arn:aws:iam::222222222222:role/plimsoll-byo-shop".to_owned(),
        external_id: "plimsoll-0123456789abcdef0123456789abcdef".to_owned(),
    };
    let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "s3:PutObject", "Resource": format!("arn:aws:s3:::{bucket}/{}*", store.root),
    }]});
    let ingest = cloud_of(&proxy, "ingest");
    let sts = aws_sdk_sts::Client::new(&ingest.config(Service::Sts));
    let assume = || {
        let assume = sts.assume_role().role_arn(&store.role).role_session_name("plimsoll-shop");
        assume.external_id(&store.external_id).policy(policy.to_string()).send()
    };
    let given = assume().await.expect("moto assumes any role").credentials.expect("there are some");
    let keys = Credentials::new(given.access_key_id, given.secret_access_key, Some(given.session_token), None, "test");
    let put = |cloud: &Cloud| {
        s3(cloud)
            .put_object()
            .bucket(&bucket)
            .key("telemetry/shop/landing/x")
            .body(ByteStream::from_static(b"x"))
            .send()
    };
    put(&with_keys(&proxy, keys.clone())).await.expect("it is stored");

    let calls = proxy.journal().calls();
    let session = Who::Session { role: store.role.clone(), assumed_by: "ingest".to_owned() };
    assert_eq!(calls.last().map(|call| &call.who), Some(&session));
    assert_eq!(breaches(&calls, "own", std::slice::from_ref(&store), &[]), Vec::<String>::new());
    assert_eq!(n_calls_on(&calls, &store), 1);

    // The role is taken away: no new session, and the old one is refused.
    let revoked = Rule::new(Act::Refuse(Refusal::AccessDenied), When::Always);
    let rules = [revoked.clone().operation("AssumeRole").at(&store.role), revoked.by(&store.role)];
    let rules = rules.map(|rule| proxy.faults().add(rule));
    assume().await.expect_err("the role is gone");
    put(&with_keys(&proxy, keys.clone())).await.expect_err("so is the session");
    rules.into_iter().for_each(|rule| proxy.faults().remove(rule));
    put(&with_keys(&proxy, keys)).await.expect("it is back");

    // A caller that skips AssumeRole.
    put(&ingest).await.expect("the emulator lets it pass");
    let found = breaches(&proxy.journal().calls(), "own", &[store], &[]);
    assert!(matches!(found.as_slice(), [one] if one.contains("entered without its role")), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metered_proxy_tells_capacity_units_and_the_caller_sees_no_difference() {
    let (emulators, _) = start().await;
    let upstreams = Upstreams::new(emulators.moto_url()).with("dynamodb", emulators.dynamodb_url());
    let proxy = Proxy::start_metered(upstreams).await.unwrap();
    let table = emulators.table().await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&cloud_of(&proxy, "ingest").config(Service::DynamoDb));
    let put = dynamodb.put_item().table_name(&table).item("pk", AttributeValue::S("a".to_owned()));
    let put = put.item("sk", AttributeValue::S("b".to_owned())).item("v", AttributeValue::S("x".repeat(3_500)));
    put.send().await.expect("it is stored");
    let query = dynamodb.query().table_name(&table).consistent_read(true).key_condition_expression("pk = :a");
    let query = query.expression_attribute_values(":a", AttributeValue::S("a".to_owned()));
    assert_eq!(query.send().await.expect("it reads").count(), 1);
    let units = proxy.journal().calls().into_iter().map(|call| match call.outcome {
        Outcome::Answered { capacity_units, .. } => capacity_units,
        Outcome::Lost => f64::NAN,
    });
    assert_eq!(units.collect::<Vec<_>>(), [4.0, 1.0], "each KB that is written, each 4 KB that are read");
}
