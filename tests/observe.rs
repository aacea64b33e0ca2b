//! Steps observe and finish: what is reported is folded once, whoever looks; what a runner says is not believed where it cannot be true.

#![allow(clippy::expect_used, clippy::unwrap_used)] // It is a test.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{Fake, engine, record};
use runwright::engine::Engine;
use runwright::model::entity::Entity;
use runwright::model::run::Run;
use runwright::model::state::State;
use runwright::store::EntityFilter;
use serde_json::{Value, json};
use tokio::sync::Barrier;

/// A client, a run that it has recorded, and what executes it.
async fn recorded(home: &Path) -> (Arc<Fake>, Arc<Engine>, Run) {
    let folder = home.join("folder");
    std::fs::create_dir_all(folder.join("outputs")).unwrap();
    let fake = Fake::new(&folder);
    let client = engine(home, vec![fake.clone()]).await;
    let run = record(&client).await;
    client.store.insert_runs(std::slice::from_ref(&run)).await.unwrap();
    fake.report(json!({"type": "running", "time": 1.0, "attempt": 1}));
    (fake, client, run)
}

fn logged(id: &str, path: &str, loss: f64) -> Value {
    json!({"type": "entity", "time": 2.0, "entity": {
        "type": "model", "kind": "pickle", "name": "forest", "id": id, "output": {"type": "model", "kind": "pickle", "path": path}, "metrics": {"loss": loss}
    }})
}

fn completed(outputs: &Value) -> Value {
    json!({"state": "COMPLETED", "time": 9.0, "started": 1.0, "attempts": 1, "shape": "dict", "names": outputs.as_object().unwrap().keys().collect::<Vec<_>>(), "outputs": outputs})
}

async fn entities(client: &Engine) -> Vec<Entity> {
    client.store.entities(&EntityFilter::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_that_look_at_once_fold_once() {
    let home = tempfile::tempdir().unwrap();
    let (fake, one, run) = recorded(home.path()).await;
    let two = engine(home.path(), vec![fake.clone()]).await;
    for value in 0..50 {
        fake.report(json!({"type": "metric", "time": 2.0, "name": "loss", "value": value}));
    }
    std::fs::write(fake.folder.join("outputs/a.bin"), b"a").unwrap();
    fake.end(completed(&json!({"a": {"type": "artifact", "kind": "artifact", "path": "outputs/a.bin"}, "b": {"type": "value", "value": 3}})));
    *fake.together.lock().unwrap() = Some(Arc::new(Barrier::new(2)));
    let id = run.id.to_string();
    let (first, second) = tokio::join!(one.run(&id), two.run(&id));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first, second);
    assert_eq!((first.state, first.metrics["loss"].len(), first.history.len()), (State::Completed, 50, 3));
    assert_eq!((first.results["b"].clone(), entities(&one).await.len()), (json!(3), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_puts_nothing_old_over_what_is_newer() {
    let home = tempfile::tempdir().unwrap();
    let (fake, slow, run) = recorded(home.path()).await;
    let fast = engine(home.path(), vec![fake.clone()]).await;
    std::fs::write(fake.folder.join("outputs/m.bin"), b"model").unwrap();
    let id = run.id.to_string();
    fake.report(logged("m-1", "outputs/m.bin", 0.9));
    *fake.slow.lock().unwrap() = Some(Duration::from_millis(300));
    let late = {
        let id = id.clone();
        tokio::spawn(async move { slow.run(&id).await })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    fake.report(logged("m-1", "outputs/m.bin", 0.1));
    fast.run(&id).await.unwrap();
    late.await.unwrap().unwrap();
    assert_eq!(entities(&fast).await[0].metrics["loss"], json!(0.1));
}

#[tokio::test]
async fn one_that_is_logged_again_replaces_the_first_with_its_bytes() {
    let home = tempfile::tempdir().unwrap();
    let (fake, client, run) = recorded(home.path()).await;
    let id = run.id.to_string();
    for (content, loss) in [("first", 0.9), ("second", 0.1)] {
        // Not the same file written again: that would be the one in the store.
        std::fs::remove_file(fake.folder.join("outputs/m.bin")).ok();
        std::fs::write(fake.folder.join("outputs/m.bin"), content).unwrap();
        fake.report(logged("m-1", "outputs/m.bin", loss));
        client.run(&id).await.unwrap();
        let made = entities(&client).await;
        assert_eq!((made.len(), made[0].metrics["loss"].clone()), (1, json!(loss)));
        assert_eq!(std::fs::read_to_string(&made[0].path).unwrap(), content);
    }
}

#[tokio::test]
async fn metrics_that_several_log_at_once_are_all_there() {
    let home = tempfile::tempdir().unwrap();
    let (fake, client, run) = recorded(home.path()).await;
    std::fs::write(fake.folder.join("outputs/m.bin"), b"model").unwrap();
    fake.report(logged("m-1", "outputs/m.bin", 0.5));
    client.run(&run.id.to_string()).await.unwrap();
    let known = entities(&client).await.remove(0);
    let tasks: Vec<_> = (0..20)
        .map(|at| {
            let (client, mut entity) = (client.clone(), known.clone());
            entity.metrics.insert(format!("of-{at}"), at.into());
            tokio::spawn(async move { client.update_entity(entity).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(entities(&client).await[0].metrics.len(), 21);
}

#[tokio::test]
async fn an_output_outside_of_the_folder_is_refused_and_its_run_an_error() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    for (name, path) in [
        ("absolute", secret.path().to_str().unwrap()),
        ("above", "outputs/../../runwright.db"),
        ("link", "outputs/link"),
        ("folder", "outputs"),
        ("missing", "outputs/nothing.bin"),
        ("none", ""),
        ("bad name!", "outputs/a.bin"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let (fake, client, run) = recorded(home.path()).await;
        std::os::unix::fs::symlink(secret.path(), fake.folder.join("outputs/link")).unwrap();
        std::fs::write(fake.folder.join("outputs/a.bin"), b"a").unwrap();
        let good = json!({"type": "artifact", "kind": "artifact", "path": "outputs/a.bin"});
        fake.end(completed(&json!({"good": good, name: {"type": "artifact", "kind": "artifact", "path": path}})));
        let run = client.run(&run.id.to_string()).await.unwrap();
        let error = run.error.expect(name);
        assert_eq!((run.state, error.cause.as_str()), (State::Error, "OutputError"), "{name}");
        assert!(error.message.contains(name), "{}", error.message);
        assert_eq!((run.outputs.keys().map(String::as_str).collect::<Vec<_>>(), entities(&client).await.len()), (vec!["good"], 1), "{name}");
    }
}

#[tokio::test]
async fn what_is_logged_wrongly_is_told_and_stops_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (fake, client, run) = recorded(home.path()).await;
    std::fs::write(fake.folder.join("outputs/m.bin"), b"model").unwrap();
    let other = record(&client).await;
    let foreign = Entity { producer: Some(other.key.clone()), id: "m-2".into(), ..template(&client, &run).await };
    client.store.put_entity(&foreign).await.unwrap();
    for event in [logged("../../../m", "outputs/m.bin", 1.0), logged("m-1", "../runwright.db", 1.0), logged("m-2", "outputs/m.bin", 1.0), logged("m-3", "outputs/m.bin", 1.0)] {
        fake.report(event);
    }
    let run = client.run(&run.id.to_string()).await.unwrap();
    let told: Vec<_> = run.history.iter().filter_map(|step| step.message.clone()).collect();
    assert_eq!((run.state, told.len()), (State::Running, 3), "{told:?}");
    let mut made: Vec<_> = entities(&client).await.into_iter().map(|entity| (entity.id, entity.producer)).collect();
    made.sort();
    assert_eq!(made, [("m-2".into(), Some(other.key)), ("m-3".into(), Some(run.key))]);
}

async fn template(client: &Engine, run: &Run) -> Entity {
    let project = client.get_or_create_project("default").await.unwrap().name;
    serde_json::from_value(json!({
        "project": project, "type": "model", "kind": "pickle", "name": "forest", "id": "m-2", "key": "store://default/model/pickle/forest:m-2", "path": "",
        "created": run.created, "updated": run.updated
    }))
    .unwrap()
}

#[tokio::test]
async fn an_end_that_is_none_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let (fake, client, run) = recorded(home.path()).await;
    fake.end(json!({"state": "RUNNING", "time": 3.0}));
    let run = client.run(&run.id.to_string()).await.unwrap();
    assert_eq!((run.state, run.error.expect("an error").cause.as_str()), (State::Error, "RunnerError"));
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_that_take_long_do_not_follow_each_other_at_once() {
    let home = tempfile::tempdir().unwrap();
    let (fake, client, run) = recorded(home.path()).await;
    *fake.delay.lock().unwrap() = Duration::from_millis(50);
    client.follow(&run);
    for value in 0..40 {
        fake.report(json!({"type": "metric", "time": 2.0, "name": "loss", "value": value}));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Two for each time: the second finds nothing more.
    assert!(*fake.looks.lock().unwrap() <= 10, "{:?}", fake.looks);
    fake.end(completed(&json!({})));
    let run = client.wait(run.id, None).await.unwrap();
    assert_eq!((run.state, run.metrics["loss"].len()), (State::Completed, 40));
}
