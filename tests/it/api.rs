//! The management API at its door: projects and keys, within the reach of the key that asks.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use clock::{Clock, Ids, ManualClock, RandomIds};
use http::{Request, StatusCode};
use meta::ItemStore;
use meta::keys::{Keys, NewKey, Reach};
use meta::projects::Projects;
use model::{ProjectId, Scope, Scopes};
use serde_json::{Value, json};
use testkit::MemoryItems;
use tower::ServiceExt;
use utoipa::OpenApi;

/// Two projects, `shop` and `other`, with a key of each kind for `shop`.
struct World {
    door: Router,
    keys: Arc<Keys>,
    installation: String,
    admin: String,
    read: String,
}

#[derive(OpenApi)]
#[openapi(info(title = "others"), paths(elsewhere))]
struct Others;

#[utoipa::path(post, path = "/api/v1/query", responses((status = 200, description = "Rows")))]
#[expect(dead_code, reason = "its description is what counts")]
fn elsewhere() {}

async fn world() -> World {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(1_763_600_000_000_000));
    let ids: Arc<dyn Ids> = Arc::new(RandomIds);
    let store: Arc<dyn ItemStore> = Arc::new(MemoryItems::new(Arc::clone(&clock)));
    let projects = Arc::new(Projects::new(Arc::clone(&store), Arc::clone(&clock)));
    let keys = Arc::new(Keys::new(store, clock, Arc::clone(&ids)));
    for id in ["shop", "other"] {
        projects.create(&project(id), id).await.expect("created");
    }
    let key = async |scope, reach| {
        let scopes = Scopes::from(vec![scope]);
        let new = NewKey { project: project("shop"), scopes, reach, name: "first".into() };
        keys.create(new).await.expect("created").1.reveal().to_owned()
    };
    let installation = key(Scope::Admin, Reach::Installation).await;
    let admin = key(Scope::Admin, Reach::Project).await;
    let read = key(Scope::Read, Reach::Project).await;
    let app = api::App::new(projects, Arc::clone(&keys), Others::openapi());
    World { door: edge::face(api::router(app), ids, &[]), keys, installation, admin, read }
}

fn project(id: &str) -> ProjectId {
    ProjectId::parse(id).expect("an id")
}

impl World {
    async fn ask(&self, key: &str, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        if !key.is_empty() {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let answer = self.door.clone().oneshot(request.body(body).expect("a request")).await.expect("infallible");
        let status = answer.status();
        let bytes = to_bytes(answer.into_body(), usize::MAX).await.expect("whole");
        (status, serde_json::from_slice(&bytes).expect("JSON"))
    }

    async fn get(&self, key: &str, path: &str) -> Value {
        let (status, answer) = self.ask(key, "GET", path, Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }
}

#[tokio::test]
async fn a_project_is_made_changed_and_shown() {
    let w = world().await;
    let (status, made) = w.ask(&w.installation, "POST", "/api/v1/projects", json!({"id": "new", "name": "New"})).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let settings = json!({"retention_days_logs_and_spans": 30, "retention_days_metrics": 90,
        "requests_per_second_max": 2_000, "bytes_per_day_max": 1_u64 << 40});
    let expected = json!({"id": "new", "name": "New", "created_at": "2025-11-20T00:53:20.000000Z", "settings": settings,
        "storage": {"kind": "own"}});
    assert_eq!(made, expected);
    assert_eq!(w.get(&w.installation, "/api/v1/projects/new").await, expected);

    let change = json!({"settings": {"retention_days_logs_and_spans": 3}});
    let (status, changed) = w.ask(&w.admin, "PATCH", "/api/v1/projects/shop", change).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    assert_eq!(changed["settings"]["retention_days_logs_and_spans"], 3);
    assert_eq!(changed["settings"]["retention_days_metrics"], 90, "what is left out stays");
    assert_eq!(w.get(&w.admin, "/api/v1/projects/shop").await, changed);
}

#[tokio::test]
async fn lists_come_in_pages_and_within_reach() {
    let w = world().await;
    let mut ids = Vec::new();
    let mut path = "/api/v1/projects?limit=1".to_owned();
    loop {
        let page = w.get(&w.installation, &path).await;
        ids.extend(page["projects"].as_array().expect("a list").iter().map(|p| p["id"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/projects?limit=1&cursor={cursor}");
    }
    assert_eq!(ids, ["other", "shop"]);
    let own = w.get(&w.admin, "/api/v1/projects").await;
    assert_eq!(own["projects"].as_array().expect("a list").len(), 1);
    assert_eq!((&own["projects"][0]["id"], &own["next_cursor"]), (&json!("shop"), &Value::Null));
    let keys = w.get(&w.admin, "/api/v1/projects/shop/keys").await;
    assert_eq!(keys["keys"].as_array().expect("a list").len(), 3);
    assert!(!keys.to_string().contains(&w.admin), "no secret in a list");
}

#[tokio::test]
async fn a_key_is_made_used_and_revoked() {
    let w = world().await;
    let new = json!({"name": "collector", "scopes": ["ingest", "read"]});
    let (status, made) = w.ask(&w.admin, "POST", "/api/v1/projects/shop/keys", new).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    let key = &made["key"];
    assert_eq!((&key["project"], &key["reach"]), (&json!("shop"), &json!("project")));
    assert_eq!(key["scopes"], json!(["ingest", "read"]));
    assert!(secret.starts_with(key["hint"].as_str().expect("text")) && key["revoked_at"].is_null(), "{made}");
    assert!(w.keys.authenticate(&secret).await.expect("asked").is_some());
    let path = format!("/api/v1/keys/{}", key["id"].as_str().expect("an id"));
    let (status, revoked) = w.ask(&w.admin, "DELETE", &path, Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{revoked}");
    assert!(revoked["revoked_at"].is_string());
    assert!(w.keys.authenticate(&secret).await.expect("asked").is_none());
    let (status, again) = w.ask(&w.admin, "DELETE", &path, Value::Null).await;
    assert_eq!((status, again), (StatusCode::OK, revoked), "revoking twice is no error");
}

#[tokio::test]
async fn what_is_not_allowed_or_does_not_fit_is_refused_in_words() {
    let w = world().await;
    let id_of = async |secret: &str| w.keys.authenticate(secret).await.expect("asked").expect("known").key.to_string();
    let (own, operators) = (id_of(&w.admin).await, id_of(&w.installation).await);
    let other = json!({"name": "o", "scopes": ["read"]});
    let (_, other) = w.ask(&w.installation, "POST", "/api/v1/projects/other/keys", other).await;
    let foreign = other["key"]["id"].as_str().expect("an id");
    let key = |scopes: Value, reach: &str| json!({"name": "k", "scopes": scopes, "reach": reach});
    let set = |name: &str, value: Value| json!({"settings": {name: value}});
    let (admin, read, op) = (w.admin.as_str(), w.read.as_str(), w.installation.as_str());
    let delete = |id: &str| format!("/api/v1/keys/{id}");
    let cases = [
        ("", "GET", "/api/v1/projects".to_owned(), Value::Null, 401, "unauthorized", "no API key"),
        ("pl_a_wrong", "GET", "/api/v1/projects".into(), Value::Null, 401, "unauthorized", "unknown or was revoked"),
        (read, "GET", "/api/v1/projects".into(), Value::Null, 403, "forbidden", "lacks the scope `admin`"),
        (read, "PATCH", "/api/v1/projects/shop".into(), json!({}), 403, "forbidden", "`admin`"),
        (admin, "POST", "/api/v1/projects".into(), json!({"id": "x"}), 403, "forbidden", "only its project `shop`"),
        (admin, "GET", "/api/v1/projects/other".into(), Value::Null, 403, "forbidden", "only its project `shop`"),
        (admin, "GET", "/api/v1/projects/none".into(), Value::Null, 403, "forbidden", "only its project `shop`"),
        (op, "GET", "/api/v1/projects/none".into(), Value::Null, 404, "not_found", "no project `none`"),
        (op, "POST", "/api/v1/projects".into(), json!({"id": "shop"}), 409, "conflict", "never reused"),
        (op, "POST", "/api/v1/projects".into(), json!({"id": "A/.."}), 400, "bad_request", "`A/..` is no project id"),
        (op, "POST", "/api/v1/projects".into(), json!({"id": "x", "name": ""}), 400, "bad_request", "`name`"),
        (op, "POST", "/api/v1/projects".into(), json!({"id": "x", "nam": "y"}), 400, "bad_request", "`nam`"),
        (op, "POST", "/api/v1/projects".into(), json!({}), 400, "bad_request", "`id`"),
        (
            admin,
            "PATCH",
            "/api/v1/projects/shop".into(),
            set("retention_days_metrics", json!(0)),
            400,
            "bad_request",
            "retention_days_metrics` is 0",
        ),
        (
            admin,
            "PATCH",
            "/api/v1/projects/shop".into(),
            set("retention_days_metrics", json!(3651)),
            400,
            "bad_request",
            "3650",
        ),
        (
            op,
            "PATCH",
            "/api/v1/projects/shop".into(),
            set("bytes_per_day_max", json!(u64::MAX)),
            400,
            "bad_request",
            "bytes_per_day_max",
        ),
        (admin, "PATCH", "/api/v1/projects/shop".into(), set("x", json!(1)), 400, "bad_request", "`x`"),
        (op, "PATCH", "/api/v1/projects/none".into(), json!({}), 404, "not_found", "none"),
        (
            admin,
            "POST",
            "/api/v1/projects/shop/keys".into(),
            key(json!([]), "project"),
            400,
            "bad_request",
            "`scopes` is empty",
        ),
        (
            admin,
            "POST",
            "/api/v1/projects/shop/keys".into(),
            key(json!(["write"]), "project"),
            400,
            "bad_request",
            "`write`",
        ),
        (
            admin,
            "POST",
            "/api/v1/projects/shop/keys".into(),
            key(json!(["admin"]), "installation"),
            403,
            "forbidden",
            "only its project",
        ),
        (
            op,
            "POST",
            "/api/v1/projects/shop/keys".into(),
            key(json!(["read"]), "installation"),
            400,
            "bad_request",
            "`admin`",
        ),
        (
            admin,
            "POST",
            "/api/v1/projects/other/keys".into(),
            key(json!(["read"]), "project"),
            403,
            "forbidden",
            "only its project",
        ),
        (op, "POST", "/api/v1/projects/none/keys".into(), key(json!(["read"]), "project"), 404, "not_found", "none"),
        (op, "GET", "/api/v1/projects/none/keys".into(), Value::Null, 404, "not_found", "none"),
        (admin, "GET", "/api/v1/projects/shop/keys?limit=0".into(), Value::Null, 400, "bad_request", "`limit` is 0"),
        (admin, "GET", "/api/v1/projects/shop/keys?limit=1001".into(), Value::Null, 400, "bad_request", "1000"),
        (admin, "DELETE", delete(foreign), Value::Null, 404, "not_found", "within the reach"),
        (admin, "DELETE", delete("nonsense"), Value::Null, 404, "not_found", "within the reach"),
        (admin, "DELETE", delete(&own), Value::Null, 409, "conflict", "cannot revoke itself"),
        (admin, "DELETE", delete(&operators), Value::Null, 403, "forbidden", "only its project"),
        (read, "DELETE", delete(&own), Value::Null, 403, "forbidden", "`admin`"),
        (admin, "DELETE", "/api/v1/projects".into(), Value::Null, 405, "method_not_allowed", "DELETE"),
        (admin, "GET", "/api/v1/none".into(), Value::Null, 404, "not_found", "/api/v1/none"),
    ];
    for (key, method, path, body, status, code, words) in cases {
        let what = format!("{method} {path} {body}");
        let (found, answer) = w.ask(key, method, &path, body).await;
        assert_eq!(found.as_u16(), status, "{what}: {answer}");
        assert_eq!(answer["error"]["code"], code, "{what}");
        assert!(answer["error"]["message"].as_str().expect("text").contains(words), "{what}: {answer}");
    }
    assert!(w.keys.authenticate(admin).await.expect("asked").is_some(), "no refused call changed anything");
    assert_eq!(w.get(admin, "/api/v1/projects/shop").await["settings"]["retention_days_metrics"], 90);
}

#[tokio::test]
async fn quotas_are_for_the_operator_and_the_rest_for_the_project_s_admin() {
    let w = world().await;
    let path = "/api/v1/projects/shop";
    let before = w.get(&w.admin, path).await;
    for quota in ["requests_per_second_max", "bytes_per_day_max"] {
        let change = json!({"name": "N", "settings": {"retention_days_metrics": 5, quota: 1_000}});
        let (status, refused) = w.ask(&w.admin, "PATCH", path, change.clone()).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{refused}");
        let message = refused["error"]["message"].as_str().expect("text");
        assert!(message.contains(&format!("cannot set `{quota}`")), "{message}");
        assert_eq!(w.get(&w.admin, path).await, before, "nothing of it was done");
    }
    let own = json!({"name": "N", "settings": {"retention_days_metrics": 5}});
    assert_eq!(w.ask(&w.admin, "PATCH", path, own).await.0, StatusCode::OK);
    let quotas = json!({"settings": {"requests_per_second_max": 7, "bytes_per_day_max": 8}});
    let (status, changed) = w.ask(&w.installation, "PATCH", path, quotas).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    assert_eq!(changed["settings"]["requests_per_second_max"], 7);
    assert_eq!((&changed["settings"]["retention_days_metrics"], &changed["name"]), (&json!(5), &json!("N")));
}

#[tokio::test]
async fn the_document_describes_every_route_and_the_other_functions() {
    let w = world().await;
    let document = w.get("", "/api/v1/openapi.json").await;
    let paths = document["paths"].as_object().expect("paths");
    let mut described: Vec<String> = Vec::new();
    for (path, methods) in paths {
        described.extend(methods.as_object().expect("methods").keys().map(|method| format!("{method} {path}")));
    }
    described.sort();
    let expected = [
        "delete /api/v1/keys/{key_id}",
        "get /api/v1/openapi.json",
        "get /api/v1/projects",
        "get /api/v1/projects/{project_id}",
        "get /api/v1/projects/{project_id}/keys",
        "patch /api/v1/projects/{project_id}",
        "post /api/v1/projects",
        "post /api/v1/projects/{project_id}/bucket/check",
        "post /api/v1/projects/{project_id}/keys",
        "post /api/v1/query",
        "put /api/v1/projects/{project_id}/bucket",
    ];
    assert_eq!(described, expected);
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    for reference in references(&document) {
        let name = reference.strip_prefix("#/components/schemas/").expect("a schema");
        assert!(schemas.contains_key(name), "{reference} leads nowhere");
    }
    for code in ["bad_request", "query_timeout", "internal"] {
        assert!(schemas["ErrorCode"].to_string().contains(code));
    }
    assert_eq!(document["components"]["securitySchemes"]["x-api-key"]["name"], "x-api-key");
    for (path, operation) in
        paths.iter().flat_map(|(path, all)| all.as_object().into_iter().flatten().map(move |(_, o)| (path, o)))
    {
        for (status, response) in operation["responses"].as_object().expect("responses") {
            assert!(response["description"].as_str().is_some_and(|said| !said.is_empty()), "{path}: {status}");
        }
        let security = operation.get("security").unwrap_or(&document["security"]).as_array().expect("a list");
        for name in security.iter().filter_map(Value::as_object).flat_map(|one| one.keys()) {
            assert!(!document["components"]["securitySchemes"][name].is_null(), "{path}: no scheme `{name}`");
        }
    }
    for described in expected.iter().filter(|line| !line.contains("query")) {
        let (method, path) = described.split_once(' ').expect("two words");
        let path = path.replace("{project_id}", "shop").replace("{key_id}", "0");
        let (status, _) = w.ask("", &method.to_uppercase(), &path, Value::Null).await;
        let open = path.ends_with("openapi.json");
        assert_eq!(status, if open { StatusCode::OK } else { StatusCode::UNAUTHORIZED }, "{described}");
    }
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => {
            let own = map.get("$ref").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(map.values().flat_map(references)).collect()
        }
        Value::Array(values) => values.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}
