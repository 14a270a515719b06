//! The doors to the world outside, on one machine; those on AWS are in [`super::doors_on_aws`].

use std::sync::Arc;

use clock::RandomIds;
use doors::QueryRunner;
use embedded::{KeyFileSealer, MailFolder};
use futures::FutureExt;
use model::ProjectId;
use tempfile::TempDir;
use testkit::contract::{mail, queries, seal};
use tests::tables::Tables;

#[tokio::test(flavor = "multi_thread")]
async fn mail_in_a_folder() {
    for (name, case) in mail::CASES {
        println!("{name}");
        let folder = TempDir::new().expect("a folder");
        let mailer = Arc::new(MailFolder::open(folder.path().join("mail"), Arc::new(RandomIds)).expect("opened"));
        let path = folder.path().join("mail");
        let taken = Box::new(move |id: String| {
            let text = std::fs::read_to_string(path.join(format!("{id}.eml"))).expect("a file of that name");
            std::future::ready(text).boxed()
        });
        case(mail::World { mailer, from: "plimsoll@example.com".to_owned(), taken }).await;
        let names = std::fs::read_dir(folder.path().join("mail")).expect("listed");
        let names: Vec<_> = names.map(|entry| entry.expect("an entry").file_name()).collect();
        assert!(names.iter().all(|name| name.to_string_lossy().ends_with(".eml")), "{names:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_sealed_with_a_key_file() {
    for (name, case) in seal::CASES {
        println!("{name}");
        let folder = TempDir::new().expect("a folder");
        let open = |name| KeyFileSealer::open(&folder.path().join(name), Arc::new(RandomIds)).expect("opened");
        case(seal::World { sealer: Arc::new(open("seal.key")), stranger: Arc::new(open("other.key")) }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_in_this_process() {
    let tables = Tables::new();
    let runner: Arc<dyn QueryRunner> = Arc::new(query::Runner::new(Arc::clone(&tables.app)));
    for (name, case) in queries::CASES {
        println!("{name}");
        let project = ProjectId::parse("shop").expect("an id");
        case(queries::World { runner: Arc::clone(&runner), project }).await;
    }
}
