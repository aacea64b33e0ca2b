//! The database and the artifact store.

use super::super::text;
use super::Check;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// The database opened; is what it holds whole?
pub async fn database(engine: &Engine) -> Check {
    let began = std::time::Instant::now();
    match engine.store.check().await {
        Ok(what) => Check::ok("store", format!("{} ({what}, checked in {})", engine.store.place, text::took(began.elapsed().as_secs_f64()))),
        Err(error) => Check::error("store", &error),
    }
}

/// Bytes that are put are read back, and deleted.
pub async fn artifacts(engine: &Engine) -> Check {
    let place = engine.artifacts.place();
    match probe(engine).await {
        Ok(()) => Check::ok("artifacts", format!("{place} (a probe was written, read and deleted)")),
        Err(error) => Check::error("artifacts", &error),
    }
}

async fn probe(engine: &Engine) -> Result<()> {
    let content = uuid::Uuid::now_v7().to_string().into_bytes();
    let folder = format!(".doctor-{}", uuid::Uuid::now_v7());
    let at = format!("{folder}/probe");
    engine.artifacts.put(&at, content.clone()).await?;
    let read = engine.artifacts.get(&at).await;
    engine.artifacts.delete(&folder).await?;
    if read? == Some(content) {
        return Ok(());
    }
    Err(Error::store(format!("what was written to {} was not read back", engine.artifacts.address(&at)), "another program changes it, or its disk is damaged"))
}
