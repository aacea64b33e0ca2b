//! Runs that read other runs: what they wait for, and what must stay until they have ended.

#![allow(clippy::expect_used, clippy::unwrap_used)] // It is a test.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Fake, define, engine, request};
use runwright::backend::local::{Clients, Local, Settings};
use runwright::backend::{Backend, Load};
use runwright::error::Error;
use runwright::model::plan::Plan;
use runwright::model::run::Input;
use runwright::model::workload::{Process, Workload};
use serde_json::json;

#[tokio::test]
async fn what_an_open_run_reads_is_neither_collected_nor_deleted() {
    let home = tempfile::tempdir().unwrap();
    let fake = Fake::new(&home.path().join("folder"));
    let client = engine(home.path(), vec![fake.clone()]).await;
    define(&client).await;
    let upstream = client.submit(request(&json!({}))).await.unwrap();
    let reader = client.submit(request(&json!({"inputs": {"x": {"from": "run", "run": upstream.id}}}))).await.unwrap();
    // The one ends, the other goes on.
    client
        .store
        .update_run(upstream.id, |run| {
            let end = serde_json::from_value(json!({"state": "ERROR", "time": 1.0})).unwrap();
            runwright::model::event::fold(run, runwright::model::event::Event::End(Box::new(end))).map(|()| true)
        })
        .await
        .unwrap();
    assert!(client.gc(Duration::ZERO, false).await.unwrap().runs.is_empty());
    let refused = client.delete_run(&upstream.key).await.expect_err("it is read");
    assert!(matches!(refused, Error::Conflict(_)) && refused.to_string().contains(&reader.key), "{refused}");
    fake.end(json!({"state": "STOPPED", "time": 2.0}));
    client.wait(reader.id, None).await.unwrap();
    assert_eq!(client.gc(Duration::ZERO, false).await.unwrap().runs.len(), 2);
    client.delete_run(&upstream.key).await.unwrap();
}

#[tokio::test]
async fn a_run_that_the_store_has_lost_is_found_again() {
    let home = tempfile::tempdir().unwrap();
    let fake = Fake::new(&home.path().join("folder"));
    let client = engine(home.path(), vec![fake.clone()]).await;
    define(&client).await;
    let run = client.submit(request(&json!({}))).await.unwrap();
    client.store.delete_run(run.id).await.unwrap();
    assert_eq!(client.run(&run.key).await.unwrap().id, run.id);
    client.store.delete_run(run.id).await.unwrap();
    assert_eq!(client.sync().await.unwrap().found, 1);
}

#[tokio::test]
async fn only_runs_that_had_not_ended_are_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let client = engine(home.path(), vec![]).await;
    let (function, mut run) = (define(&client).await, common::record(&client).await);
    let (ended, going) = (common::record(&client).await.id, common::record(&client).await.id);
    run.spec.inputs = [("a".into(), Input::Run { run: ended, output: None }), ("b".into(), Input::Run { run: going, output: None })].into();
    let inputs = json!({"a": {"type": "value", "value": 1}, "b": {"run": going, "output": null, "as": "value"}});
    let settings = Settings { python: "python3".into(), runner: Box::new(|| Ok("".into())), concurrency: 1 };
    let local = Local::new(home.path(), "here".into(), settings, Arc::new(Clients::new(home.path())));
    let workload = Workload::of(Process::Command(vec!["true".into()]), &run.spec);
    let inputs = inputs.as_object().unwrap().clone();
    let load = Load::new(run, Plan::Task(workload), inputs, None);
    let lowered = local.lower(&function, &[load]).unwrap();
    assert_eq!(lowered["needs"], json!([going]));
}

#[tokio::test]
async fn a_run_that_cannot_be_waited_for_is_told_beforehand() {
    let home = tempfile::tempdir().unwrap();
    let fake = Fake::new(&home.path().join("folder"));
    let client = engine(home.path(), vec![fake.clone()]).await;
    let mut upstream = common::record(&client).await;
    upstream.backend = "inline".to_owned().try_into().unwrap();
    client.store.insert_runs(std::slice::from_ref(&upstream)).await.unwrap();
    let refused = client.submit(request(&json!({"inputs": {"x": {"from": "run", "run": upstream.id}}}))).await.expect_err("nobody sees its end");
    assert!(refused.to_string().contains("run.wait()"), "{refused}");
}
