//! Engine: the verbs. It alone writes records.

mod compare;
pub mod define;
pub mod entities;
pub mod find;
pub mod finish;
pub mod gc;
pub mod inline;
mod inputs;
pub mod logs;
pub mod observe;
pub mod profiles;
pub mod projects;
mod provenance;
pub mod record;
mod release;
pub mod resume;
pub mod serve;
pub mod stop;
pub mod submit;
pub mod sync;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::backend::Backend;
use crate::backend::kubernetes::{self, Kubernetes};
use crate::backend::local::{Clients, Local, Settings};
use crate::error::{Error, Result, did_you_mean};
use crate::runtime::Runtimes;
use crate::store::Store;
use crate::store::artifacts::Artifacts;

pub use compare::compare;

/// Where the engine keeps things, and how it executes on this machine.
pub struct Configuration {
    /// The folder of everything local.
    pub home: PathBuf,
    /// `RUNWRIGHT_STORE`; None: SQLite in `home`.
    pub store: Option<String>,
    /// `RUNWRIGHT_ARTIFACTS`; None: a folder in `home`.
    pub artifacts: Option<String>,
    /// `RUNWRIGHT_URL_LIFETIME`, in seconds; None: as long as a presigned URL can live.
    pub url_lifetime: Option<f64>,
    pub local: Settings,
    pub kubernetes: kubernetes::Settings,
    /// The profiles that runs may name, as they were written.
    pub profiles: Map<String, Value>,
    /// Places to run besides those of THE list.
    pub others: Vec<Arc<dyn Backend>>,
    /// What the host language knows of this session: Python version, command, the run it is part of, …
    pub session: Map<String, Value>,
}

/// The engine of one process.
pub struct Engine {
    pub store: Store,
    pub artifacts: Artifacts,
    pub runtimes: Runtimes,
    home: PathBuf,
    clients: Arc<Clients>,
    backends: Vec<Arc<dyn Backend>>,
    followers: observe::Followers,
    provenance: provenance::Session,
    versions: define::Versions,
    inline: inline::Begun,
    releases: release::Releases,
    pub profiles: profiles::Profiles,
}

impl Engine {
    /// Opens the store and the artifact store. THE list of backends is here.
    pub async fn open(configuration: Configuration) -> Result<Arc<Self>> {
        let Configuration { home, store, artifacts, url_lifetime, local, kubernetes, profiles, others, session } = configuration;
        let profiles = profiles::read(&profiles)?;
        let artifacts = match artifacts {
            Some(url) => Artifacts::open(&url)?,
            None => Artifacts::Local(home.join("artifacts")),
        };
        let artifacts = match url_lifetime {
            Some(seconds) => artifacts.with_lifetime(seconds)?,
            None => artifacts,
        };
        let clients = Arc::new(Clients::new(&home));
        let provenance = provenance::Session::new(session);
        let mut backends: Vec<Arc<dyn Backend>> = vec![
            Arc::new(Local::new(&home, provenance.host.clone(), local, clients.clone())),
            Arc::new(Kubernetes::new(&home, provenance.host.clone(), kubernetes, artifacts.clone(), clients.clone())),
        ];
        backends.extend(others);
        Ok(Arc::new(Self {
            store: Store::open(store.as_deref(), &home).await?,
            artifacts,
            runtimes: Runtimes::default(),
            home,
            clients,
            backends,
            followers: observe::Followers::default(),
            provenance,
            versions: define::Versions::default(),
            inline: inline::Begun::default(),
            releases: release::Releases::default(),
            profiles,
        }))
    }

    /// The folder of everything local.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The backend of that name; the error lists those there are.
    pub fn backend(&self, name: &str) -> Result<&Arc<dyn Backend>> {
        self.backends.iter().find(|backend| backend.name() == name).ok_or_else(|| {
            let known: Vec<&str> = self.backends.iter().map(|backend| backend.name()).collect();
            Error::invalid(
                "on",
                name,
                format!("there is no place to run called {name:?}{}", did_you_mean(name, known.iter().copied())),
                format!("use one of: {}", known.join(", ")),
            )
        })
    }
}
