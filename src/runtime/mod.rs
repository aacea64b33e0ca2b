//! Runtime: for one kind of function, which actions exist, how a spec is checked, and the translation of (function, action, run spec) into a Plan.
//!
//! To add a kind: one file with an `impl Runtime`, one line in [`BUILTINS`].

mod building;
mod container;
mod python;

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use serde_json::{Map, Value};

use crate::error::{Error, Result, did_you_mean};
use crate::model::function::Function;
use crate::model::plan::Plan;
use crate::model::run::RunSpec;

pub use python::SERVER;

/// One kind of function. Everything here is pure: no client, no clock, no randomness.
pub trait Runtime: Send + Sync {
    /// The kind's name.
    fn kind(&self) -> &str;

    /// The actions it has; the first is the default.
    fn actions(&self) -> Vec<String>;

    /// Whether the run's parameters are the function's arguments for that action.
    fn takes_arguments(&self, _action: &str) -> bool {
        true
    }

    /// Whether it runs in an image wherever it runs, so that one that was built of it is used everywhere.
    fn always_has_image(&self) -> bool {
        false
    }

    /// Checks a function's spec when it is defined. The error names the field.
    fn check(&self, spec: &Map<String, Value>) -> Result<()>;

    /// What to execute for an action of a function with a run's parameters.
    fn translate(&self, function: &Function, action: &str, run: &RunSpec) -> Result<Plan>;
}

/// THE list of kinds that come with Runwright.
const BUILTINS: &[fn() -> Arc<dyn Runtime>] = &[|| Arc::new(container::Container), || Arc::new(python::Python)];

/// The kinds at hand: the builtins and what was registered.
pub struct Runtimes {
    by_kind: RwLock<BTreeMap<String, Arc<dyn Runtime>>>,
}

impl Default for Runtimes {
    fn default() -> Self {
        let by_kind = BUILTINS.iter().map(|make| make()).map(|runtime| (runtime.kind().to_owned(), runtime)).collect();
        Self { by_kind: RwLock::new(by_kind) }
    }
}

impl Runtimes {
    /// Adds a kind, or replaces one of the same name.
    pub fn register(&self, runtime: Arc<dyn Runtime>) {
        self.by_kind.write().unwrap_or_else(std::sync::PoisonError::into_inner).insert(runtime.kind().to_owned(), runtime);
    }

    /// All kinds, sorted.
    #[must_use]
    pub fn kinds(&self) -> Vec<String> {
        self.by_kind.read().unwrap_or_else(std::sync::PoisonError::into_inner).keys().cloned().collect()
    }

    /// The runtime of a kind; the error lists the kinds there are.
    pub fn get(&self, kind: &str) -> Result<Arc<dyn Runtime>> {
        let by_kind = self.by_kind.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        by_kind.get(kind).cloned().ok_or_else(|| {
            let known: Vec<&str> = by_kind.keys().map(String::as_str).collect();
            Error::invalid(
                "kind",
                kind,
                format!("there is no kind {kind:?}{}", did_you_mean(kind, known.iter().copied())),
                format!("use one of: {} (or install the plug-in that brings it)", known.join(", ")),
            )
        })
    }
}

/// The action asked for, or the kind's default; the error lists the actions there are.
pub fn action<'a>(runtime: &dyn Runtime, asked: Option<&'a str>) -> Result<std::borrow::Cow<'a, str>> {
    let actions = runtime.actions();
    match asked {
        Some(asked) if actions.iter().any(|action| action == asked) => Ok(asked.into()),
        Some(asked) => Err(Error::invalid(
            "action",
            asked,
            format!("{} has no action {asked:?}{}", runtime.kind(), did_you_mean(asked, actions.iter().map(String::as_str))),
            format!("use one of: {}", actions.join(", ")),
        )),
        None => actions
            .into_iter()
            .next()
            .map(Into::into)
            .ok_or_else(|| Error::invalid("action", "", format!("the kind {} has no actions", runtime.kind()), "its runtime must name at least one")),
    }
}
