//! The store on SQLite: what is written stands, whole, once, and is found again.

#![allow(clippy::expect_used, clippy::unwrap_used)] // It is a test.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{define, engine, record};
use runwright::engine::Engine;
use runwright::error::Error;
use runwright::model::entity::Entity;
use runwright::model::function::Function;
use runwright::model::key::KeyType;
use runwright::model::name::{Name, RunId};
use runwright::model::run::{MapItem, Run};
use runwright::model::state::State;
use runwright::store::{EntityFilter, RunFilter, Store};
use serde_json::json;

struct Lab {
    home: tempfile::TempDir,
    client: Arc<Engine>,
}

async fn lab() -> Lab {
    let home = tempfile::tempdir().unwrap();
    let client = engine(home.path(), vec![]).await;
    Lab { home, client }
}

impl Lab {
    fn store(&self) -> &Store {
        &self.client.store
    }

    /// A recorded run, changed before.
    async fn run(&self, change: impl FnOnce(&mut Run)) -> Run {
        let mut run = record(&self.client).await;
        change(&mut run);
        self.store().insert_runs(std::slice::from_ref(&run)).await.unwrap();
        run
    }

    /// The database as another program sees it.
    fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.home.path().join("runwright.db")).unwrap()
    }
}

fn name(text: &str) -> Name {
    Name::parse("name", text).unwrap()
}

fn entity(run: &Run, id: &str, of: &str) -> Entity {
    serde_json::from_value(json!({
        "project": "default", "type": "model", "kind": "pickle", "name": of, "id": id, "key": format!("store://default/model/pickle/{of}:{id}"), "path": "",
        "producer": run.key, "created": run.created, "updated": run.updated
    }))
    .unwrap()
}

#[tokio::test]
async fn a_run_is_written_once_and_read_back_whole() {
    let lab = lab().await;
    let mut run = lab.run(|run| run.reads = vec!["store://default/dataitem/table/x:1".into()]).await;
    assert_eq!(lab.store().run(run.id).await.unwrap().as_ref(), Some(&run));
    assert_eq!(lab.store().readers(&run.reads[0]).await.unwrap(), [run.id]);
    // Recorded again (a sync of two clients): the first stays.
    run.attempts = 7;
    lab.store().insert_runs(std::slice::from_ref(&run)).await.unwrap();
    assert_eq!(lab.store().run(run.id).await.unwrap().unwrap().attempts, 0);
    assert!(lab.store().delete_run(run.id).await.unwrap() && !lab.store().delete_run(run.id).await.unwrap());
    assert!(lab.store().readers(&run.reads[0]).await.unwrap().is_empty());
    assert!(matches!(lab.store().update_run(run.id, |_| Ok(true)).await, Err(Error::NotFound(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_of_many_at_once_are_all_there() {
    let lab = lab().await;
    let run = lab.run(|_| {}).await;
    // Two clients, as processes of their own would be.
    let other = engine(lab.home.path(), vec![]).await;
    let changes = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..30)
        .map(|at| {
            let client = if at % 2 == 0 { lab.client.clone() } else { other.clone() };
            let (id, changes) = (run.id, changes.clone());
            tokio::spawn(async move {
                let change = |run: &mut Run| {
                    changes.fetch_add(1, Ordering::Relaxed);
                    run.attempts += 1;
                    Ok(true)
                };
                client.store.update_run(id, change).await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(lab.store().run(run.id).await.unwrap().unwrap().attempts, 30);
    assert!(changes.load(Ordering::Relaxed) >= 30);
}

#[tokio::test]
async fn what_a_run_made_is_written_with_its_record_or_not_at_all() {
    let lab = lab().await;
    let run = lab.run(|_| {}).await;
    let made = [entity(&run, "1", "forest")];
    // Not where the change says that there is nothing to write, nor where it fails.
    lab.store().update_run_with(run.id, &made, |_| Ok(false)).await.unwrap();
    lab.store().update_run_with(run.id, &made, |_| Err(Error::conflict("no", "no"))).await.expect_err("the change failed");
    let count = || async { lab.store().entities(&EntityFilter::default()).await.unwrap().len() };
    assert_eq!(count().await, 0);
    lab.store().update_run_with(run.id, &made, |_| Ok(true)).await.unwrap();
    assert_eq!(count().await, 1);
    // The revision is another one by now.
    assert!(!lab.store().write_first_revision(&run, &[entity(&run, "2", "forest")]).await.unwrap());
    assert_eq!(count().await, 1);
}

#[tokio::test]
async fn lists_have_what_is_asked_for_the_newest_first() {
    let lab = lab().await;
    let one = lab.run(|run| run.state = State::Error).await;
    let two = lab.run(|run| run.spec.map = Some(MapItem { id: "m".into(), index: 0, of: 1 })).await;
    let three = lab.run(|run| (run.function, run.state) = (name("g"), State::Running)).await;
    let four = lab.run(|run| run.project = name("other")).await;
    let all = || RunFilter::default();
    for (filter, found) in [
        (all(), vec![&four, &three, &two, &one]),
        (RunFilter { limit: Some(2), ..all() }, vec![&four, &three]),
        (RunFilter { before: Some(three.id), ..all() }, vec![&two, &one]),
        (RunFilter { project: Some(name("default")), ..all() }, vec![&three, &two, &one]),
        (RunFilter { function: Some(name("g")), ..all() }, vec![&three]),
        (RunFilter { state: Some(State::Error), ..all() }, vec![&one]),
        (RunFilter { state: Some(State::Running), ..all() }, vec![&three]),
        (RunFilter { open: true, ..all() }, vec![&four, &three, &two]),
        (RunFilter { map: Some("m".into()), ..all() }, vec![&two]),
        (RunFilter { open: true, state: Some(State::Error), ..all() }, vec![]),
    ] {
        let ids: Vec<RunId> = lab.store().runs(&filter).await.unwrap().iter().map(|run| run.id).collect();
        assert_eq!(ids, found.iter().map(|run| run.id).collect::<Vec<_>>(), "{filter:?}");
    }
    let text = one.id.to_string();
    assert_eq!(lab.store().runs_by_prefix(&text).await.unwrap().len(), 1);
    assert_eq!(lab.store().runs_by_prefix(&text[..6]).await.unwrap().len(), 2, "two are enough to tell that there are several");
}

#[tokio::test]
async fn what_is_saved_last_is_the_newest_even_if_the_clock_went_back() {
    let lab = lab().await;
    let first = define(&lab.client).await;
    let run = lab.run(|_| {}).await;
    lab.store().put_entity(&entity(&run, "1", "forest")).await.unwrap();
    // As if they had been saved by a clock that was an hour ahead.
    for table in ["functions", "entities"] {
        assert_eq!(lab.raw().execute(&format!("UPDATE {table} SET saved = saved + 3600000000"), []).unwrap(), 1);
    }
    let second = Function { version: runwright::model::name::Digest::of(b"2"), ..first.clone() };
    lab.store().put_function(&second).await.unwrap();
    let newest = || async { lab.store().function(&first.project, &first.name, None).await.unwrap().unwrap().version };
    assert_eq!(newest().await, second.version);
    lab.store().put_function(&first).await.unwrap();
    assert_eq!(newest().await, first.version, "saved again");
    let versions = lab.store().versions(&first.project, &first.name).await.unwrap();
    assert_eq!((versions.len(), lab.store().functions(&first.project).await.unwrap().len()), (2, 1));
    let lost = Function { version: runwright::model::name::Digest::of(b"3"), created: "2020-01-01T00:00:00Z".parse().unwrap(), ..first.clone() };
    lab.store().restore_function(&lost).await.unwrap();
    assert_eq!(newest().await, first.version, "what is found again is as old as it is");
    lab.store().put_entity(&entity(&run, "2", "forest")).await.unwrap();
    let key = "store://default/model/pickle/forest".parse().unwrap();
    assert_eq!(lab.store().entity(&key).await.unwrap().unwrap().id, "2");
    // What is written again keeps its place.
    lab.store().put_entity(&entity(&run, "1", "forest")).await.unwrap();
    let filter = EntityFilter { of: Some(KeyType::Model), name: Some(name("forest")), ..EntityFilter::default() };
    assert_eq!(lab.store().entities(&filter).await.unwrap().iter().map(|entity| entity.id.as_str()).collect::<Vec<_>>(), ["2", "1"]);
}

#[tokio::test]
async fn a_project_goes_with_all_that_is_recorded_in_it() {
    let lab = lab().await;
    let run = lab.run(|run| run.reads = vec!["store://x/model/pickle/y:1".into()]).await;
    let kept = lab.run(|run| (run.project, run.reads) = (name("other"), vec!["store://x/model/pickle/y:1".into()])).await;
    lab.store().put_entity(&entity(&run, "1", "forest")).await.unwrap();
    assert!(lab.store().delete_project(&name("default")).await.unwrap());
    let ids: Vec<RunId> = lab.store().runs(&RunFilter::default()).await.unwrap().iter().map(|run| run.id).collect();
    assert_eq!((ids, lab.store().readers("store://x/model/pickle/y:1").await.unwrap()), (vec![kept.id], vec![kept.id]));
    assert!(lab.store().functions(&name("default")).await.unwrap().is_empty() && lab.store().entities(&EntityFilter::default()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_open_a_new_store_at_once_make_one_schema() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().to_owned();
    let tasks: Vec<_> = (0..12)
        .map(|_| {
            let folder = folder.clone();
            tokio::spawn(async move { Store::open(None, &folder).await.map(drop) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let raw = rusqlite::Connection::open(folder.join("runwright.db")).unwrap();
    let steps: i64 = raw.query_row("SELECT count(*) FROM schema_steps", [], |row| row.get(0)).unwrap();
    assert!(steps > 0);
    // One of a later version is left alone.
    raw.execute("INSERT INTO schema_steps (step) VALUES (1000)", []).unwrap();
    let refused = Store::open(None, &folder).await.map(drop).expect_err("it is newer").to_string();
    assert!(refused.contains("update Runwright"), "{refused}");
}
