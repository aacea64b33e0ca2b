//! The local backend with a "runner" that ends at once.

#![allow(clippy::expect_used, clippy::unwrap_used)] // It is a test.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{define, request};
use runwright::backend::local::Settings;
use runwright::engine::{Configuration, Engine};
use serde_json::{Map, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_host_language_is_asked_for_the_runner_once() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("runner.py");
    std::fs::write(&file, "").unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let (found, count) = (file.clone(), asked.clone());
    let find = move || {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(found.clone())
    };
    let local = Settings { python: "/bin/true".into(), runner: Box::new(find), concurrency: 1 };
    let configuration = Configuration {
        home: home.path().to_owned(),
        store: None,
        artifacts: None,
        url_lifetime: None,
        local,
        kubernetes: common::no_cluster(),
        profiles: Map::new(),
        others: Vec::new(),
        session: Map::new(),
    };
    let client = Engine::open(configuration).await.unwrap();
    define(&client).await;
    for _ in 0..3 {
        let run = client.submit(request(&json!({"on": "local"}))).await.unwrap();
        let run = client.wait(run.id, None).await.unwrap();
        assert_eq!(run.error.expect("nothing ran").cause, "RunnerLost");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    // Gone (its home was cleaned up): asked again.
    std::fs::remove_file(&file).unwrap();
    client.submit(request(&json!({"on": "local"}))).await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}
