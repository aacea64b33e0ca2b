//! A runtime written in Python, behind the trait of the builtin ones.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::{Map, Value, json};

use super::errors::carry;
use crate::error::{Error, Result};
use crate::model::function::Function;
use crate::model::plan::Plan;
use crate::model::run::RunSpec;
use crate::runtime::Runtime;

/// The object and what was read of it when it was registered.
pub struct Plugin {
    kind: String,
    actions: Vec<String>,
    object: Py<PyAny>,
}

impl Plugin {
    pub fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self {
            kind: object.getattr("kind")?.extract()?,
            actions: object.getattr("actions")?.try_iter()?.map(|action| action?.extract()).collect::<PyResult<_>>()?,
            object: object.clone().unbind(),
        })
    }
}

impl Runtime for Plugin {
    fn kind(&self) -> &str {
        &self.kind
    }

    fn actions(&self) -> Vec<String> {
        self.actions.clone()
    }

    fn check(&self, spec: &Map<String, Value>) -> Result<()> {
        Python::attach(|py| {
            let object = self.object.bind(py);
            if object.hasattr("check")? {
                object.call_method1("check", (pythonize::pythonize(py, spec)?,))?;
            }
            Ok(())
        })
        .map_err(carry)
    }

    fn translate(&self, function: &Function, action: &str, run: &RunSpec) -> Result<Plan> {
        let plan: Value = Python::attach(|py| -> PyResult<Value> {
            let request = PyDict::new(py);
            request.set_item("function", pythonize::pythonize(py, function)?)?;
            request.set_item("action", action)?;
            request.set_item("run", pythonize::pythonize(py, run)?)?;
            Ok(pythonize::depythonize(&self.object.bind(py).call_method1("translate", (request,))?)?)
        })
        .map_err(carry)?;
        let shown = json!(plan).to_string();
        let plan: Plan = serde_json::from_value(plan).map_err(|error| {
            Error::invalid(
                "translate",
                shown,
                format!("the runtime of kind {:?} translated into something that is no plan: {error}", self.kind),
                "return {\"task\": {\"process\": {\"command\": [program, argument, …]}}} or {\"task\": {\"process\": {\"call\": {\"handler\": \"module:function\"}}}} (or {\"container\": {\"args\": […]}}, with an image beside process)",
            )
        })?;
        plan.with_image_of(run)
    }
}
