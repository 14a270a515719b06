//! The management API as a function: paths, parameters and bodies in events of both edges.

use ::api::cloud::{Config, function};
use model::ProjectSettings;
use utoipa::OpenApi;

use super::*;

#[derive(OpenApi)]
#[openapi()]
struct Others;

async fn ask(sample: &str) -> Value {
    let world = Installation::new().await;
    let config = Config {
        table: "plimsoll".into(),
        root: "s3://plimsoll-data/projects".parse().expect("a root"),
        cors_origins: vec!["https://shop.example".into()],
        settings: ProjectSettings::default(),
    };
    let app = ::api::App::new(Arc::clone(&world.projects), Arc::clone(&world.keys), Others::openapi());
    world.answer(&function(app, &config, world.clock.clone(), Arc::new(RandomIds)), sample).await
}

#[tokio::test]
async fn a_list_comes_by_its_query_string() {
    let answer = ask("api/http-api-list-keys.json").await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    assert_eq!(body(&answer)["keys"][0]["name"], "sample");
}

#[tokio::test]
async fn a_project_is_made_and_another_changed() {
    let made = ask("api/http-api-create-project.json").await;
    assert_eq!((made["statusCode"].as_u64(), body(&made)["name"].as_str()), (Some(201), Some("Lager \"S\u{fc}d\"")));
    let changed = ask("api/function-url-change-project.json").await;
    assert_eq!(body(&changed)["settings"]["retention_days_metrics"], 30, "{changed}");
}

#[tokio::test]
async fn a_path_that_the_edge_decoded_is_refused_in_the_shape_of_errors() {
    let answer = ask("api/http-api-decoded-path.json").await;
    assert_eq!(answer["statusCode"], 400, "{answer}");
    assert_eq!(
        (&body(&answer)["error"]["code"], &body(&answer)["error"]["request_id"]),
        (&json!("bad_request"), &json!(REQUEST_ID))
    );
}

#[tokio::test]
async fn a_browser_may_ask_after_its_preflight() {
    let answer = ask("api/http-api-preflight.json").await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    assert_eq!(answer["headers"]["access-control-allow-origin"], "https://shop.example");
}
