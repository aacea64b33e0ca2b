//! Which cluster and namespace: what the caller said, completed from the kubeconfig.

use std::time::Duration;

use kube::client::AuthError;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Map, Value};

use super::kubeconfig::read;
use super::patience::explain;
use super::{client, proxy};
use crate::error::{Error, Result, did_you_mean};
use crate::model::run::Run;

/// How long a connection may take to come about.
const CONNECTING: Duration = Duration::from_secs(10);
/// How long a connection on which an answer is due may be silent before it counts as dead. An API server that has nothing to tell a watch sends a bookmark
/// each minute.
pub const SILENCE: Duration = Duration::from_secs(75);

/// Whether there is no way to any cluster: no kubeconfig, and this process is in no pod.
pub fn is_none_known() -> bool {
    matches!(read(), Ok(None)) && Config::incluster().is_err()
}

/// A namespace of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// A context of the kubeconfig. None: the service account of the pod that this process is in.
    pub context: Option<String>,
    pub namespace: String,
}

impl Target {
    /// Completes what the caller said. `place` may have `context` and `namespace`.
    pub fn choose(place: &Map<String, Value>) -> Result<Self> {
        if let Some((field, value)) = place.iter().find(|(field, _)| !["context", "namespace"].contains(&field.as_str())) {
            return Err(Error::invalid(field, value, format!("a place in Kubernetes has no {field:?}"), "it has: context, namespace"));
        }
        let asked = |field: &str| place.get(field).and_then(Value::as_str).map(str::to_owned);
        let Some(kubeconfig) = read()? else {
            if let Some(context) = asked("context") {
                return Err(Error::invalid(
                    "context",
                    &context,
                    format!("there is no context {context:?}: no kubeconfig was found"),
                    "set KUBECONFIG, or put one at ~/.kube/config",
                ));
            }
            let inside = Config::incluster().map_err(|_| {
                Error::invalid(
                    "on",
                    "kubernetes",
                    "no cluster is known: there is no kubeconfig, and this process is in no pod",
                    "set KUBECONFIG, or put a kubeconfig at ~/.kube/config",
                )
            })?;
            return Ok(Self { context: None, namespace: asked("namespace").unwrap_or(inside.default_namespace) });
        };
        let Some(context) = asked("context").or_else(|| kubeconfig.current_context.clone()).filter(|context| !context.is_empty()) else {
            return Err(Error::invalid("context", "", "the kubeconfig has no current context", format!("give context=: one of {}", contexts(&kubeconfig).join(", "))));
        };
        let Some(named) = kubeconfig.contexts.iter().find(|known| known.name == context) else {
            let known = contexts(&kubeconfig);
            let hint = did_you_mean(&context, known.iter().map(String::as_str));
            return Err(Error::invalid("context", &context, format!("the kubeconfig has no context {context:?}{hint}"), format!("use one of: {}", known.join(", "))));
        };
        let of_context = named.context.as_ref().and_then(|context| context.namespace.clone());
        Ok(Self { namespace: asked("namespace").or(of_context).unwrap_or_else(|| "default".into()), context: Some(context) })
    }

    /// The one that a run was sent to. None where the record names none.
    #[must_use]
    pub fn of(run: &Run) -> Option<Self> {
        let text = |field: &str| run.reference.get(field).and_then(Value::as_str).map(str::to_owned);
        Some(Self { context: text("context"), namespace: text("namespace")? })
    }

    /// Whether there is a way to it from here.
    #[must_use]
    pub fn is_known(&self) -> bool {
        match &self.context {
            None => Config::incluster().is_ok(),
            Some(context) => read().is_ok_and(|kubeconfig| kubeconfig.is_some_and(|kubeconfig| contexts(&kubeconfig).contains(context))),
        }
    }

    /// As it stands in a record.
    #[must_use]
    pub fn reference(&self, name: &str) -> Map<String, Value> {
        Map::from_iter([("context".into(), self.context.clone().into()), ("namespace".into(), self.namespace.clone().into()), ("job".into(), name.into())])
    }

    /// How to get to it, as the kubeconfig says: certificates, tokens, exec credentials, proxies.
    pub async fn config(&self) -> Result<Config> {
        let (mut config, proxy) = match &self.context {
            None => (Config::incluster().map_err(|error| self.unusable(&explain(&error)))?, None),
            Some(context) => {
                let kubeconfig = read()?.ok_or_else(|| self.unusable("there is no kubeconfig any more"))?;
                let proxy = proxy_of(&kubeconfig, context);
                let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
                (Config::from_custom_kubeconfig((*kubeconfig).clone(), &options).await.map_err(|error| self.unusable(&explain(&error)))?, proxy)
            }
        };
        config.proxy_url = proxy::to(&config.cluster_url, proxy.as_deref()).map_err(|error| self.unusable(&error))?;
        Ok(config)
    }

    /// A client for it, which renews its credentials.
    pub async fn client(&self) -> Result<Client> {
        Ok(client::renewing(self, self.connect().await?))
    }

    /// One whose credentials are those of now.
    pub async fn connect(&self) -> Result<Client> {
        crate::install_tls();
        let mut config = self.config().await?;
        // Requests are tried again here, with bounds and with an eye to what may have been done already.
        config.default_retry = false;
        config.connect_timeout = Some(CONNECTING);
        config.read_timeout = Some(SILENCE);
        config.reset_reader_on_write = true;
        let program = config.auth_info.exec.as_ref().and_then(|exec| exec.command.clone()).unwrap_or_default();
        // It may be run, and waited for.
        let made = tokio::task::spawn_blocking(move || Client::try_from(config)).await;
        made.map_err(|error| self.unusable(&error.to_string()))?.map_err(|error| self.without_credentials(&program, &error))
    }

    fn without_credentials(&self, program: &str, error: &kube::Error) -> Error {
        let (why, cure) = match error {
            kube::Error::Auth(AuthError::AuthExecStart(error)) => (format!("cannot be started: {error}"), "install it, or have its folder in PATH"),
            // What else it printed may be a credential.
            kube::Error::Auth(AuthError::AuthExecRun { out, .. }) => {
                (format!("failed ({}): {}", out.status, String::from_utf8_lossy(&out.stderr).trim()), "do what it says; a new login may be all")
            }
            kube::Error::Auth(AuthError::AuthExecParse(error)) => (format!("gave something else: {error}"), "try it by itself: it must print an ExecCredential in JSON"),
            _ => return self.unusable(&explain(error)),
        };
        let of = self.context.as_deref().unwrap_or_default();
        Error::backend(format!("the program {program:?}, which the kubeconfig asks for credentials of {of}, {why}"), cure)
    }

    fn unusable(&self, error: &str) -> Error {
        let of = self.context.as_deref().unwrap_or("this pod's service account");
        Error::backend(format!("the cluster of {of} cannot be used: {error}"), "try `kubectl get pods` with the same context; `runwright doctor --on kubernetes` tells more")
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.context {
            Some(context) => write!(f, "namespace {} of {context}", self.namespace),
            None => write!(f, "namespace {}", self.namespace),
        }
    }
}

/// The `proxy-url` of a context's cluster.
fn proxy_of(kubeconfig: &Kubeconfig, context: &str) -> Option<String> {
    let context = kubeconfig.contexts.iter().find(|named| named.name == context)?.context.as_ref()?;
    kubeconfig.clusters.iter().find(|named| named.name == context.cluster)?.cluster.as_ref()?.proxy_url.clone()
}

fn contexts(kubeconfig: &Kubeconfig) -> Vec<String> {
    kubeconfig.contexts.iter().map(|context| context.name.clone()).collect()
}
