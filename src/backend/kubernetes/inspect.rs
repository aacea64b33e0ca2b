//! What `runwright doctor` asks of a cluster. Nothing is made or changed; each answer comes from one request, or a few.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::{LimitRange, Namespace, ResourceQuota};
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::{Map, Value};

use super::apply::{Access, explain};
use super::rights::Rule;
use super::target::Target;
use crate::error::{Error, Result};
use crate::model::time;

/// How long the API server may take for its first answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many questions are asked at a time.
const PARALLEL: usize = 8;

/// A namespace of a cluster that is looked at.
pub struct Inspection {
    access: Access,
    /// The API server's.
    pub address: String,
}

/// The API server.
pub struct Server {
    pub version: Info,
    /// How long it took to answer; with the first connection.
    pub seconds: f64,
    /// By how many seconds its clock is ahead of this machine's; to about one second.
    pub ahead: Option<f64>,
}

/// An answer that needs a right which not everybody has.
pub enum Answer<T> {
    Told(T),
    Missing,
    Forbidden,
}

impl Inspection {
    /// Reads the kubeconfig; asks nothing yet. `place` as in `Backend::reference`.
    pub async fn open(place: &Map<String, Value>) -> Result<Self> {
        let target = Target::choose(place)?;
        let config = target.config().await?;
        let address = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        Ok(Self { access: Access { client: target.client().await?, target }, address })
    }

    #[must_use]
    pub fn context(&self) -> Option<&str> {
        self.access.target.context.as_deref()
    }

    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.access.target.namespace
    }

    pub async fn server(&self) -> Result<Server> {
        let began = Instant::now();
        let ask = async {
            let request = http::Request::get("/version").body(kube::client::Body::empty()).map_err(kube::Error::HttpError)?;
            let before = now();
            let answer = self.access.client.send(request).await?;
            let date = answer.headers().get(http::header::DATE).and_then(|date| date.to_str().ok()).and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
            // The header has whole seconds, cut; the answer was given between the two times.
            let ahead = date.map(|date| date.timestamp().as_duration().as_secs_f64() + 0.5 - f64::midpoint(before, now()));
            Ok::<_, kube::Error>((self.access.client.apiserver_version().await?, ahead))
        };
        match tokio::time::timeout(PATIENCE, ask).await {
            Ok(Ok((version, ahead))) => Ok(Server { version, seconds: began.elapsed().as_secs_f64(), ahead }),
            Ok(Err(error)) => Err(self.unreached(&error)),
            Err(_) => Err(Error::backend(
                format!("{} did not answer in {} s", self.address, PATIENCE.as_secs()),
                "is the cluster up, and this machine in its network (VPN, proxy)? See the address in the kubeconfig: kubectl config view --minify",
            )),
        }
    }

    fn unreached(&self, error: &kube::Error) -> Error {
        Error::backend(
            format!("{} does not answer as it should: {}", self.address, explain(error)),
            "try `kubectl version` with the same context; see the address and the user in the kubeconfig: kubectl config view --minify",
        )
    }

    /// Who this is, in the API server's eyes: name and groups. None where it is too old to say.
    pub async fn user(&self) -> Result<Option<(String, Vec<String>)>> {
        let reviews: Api<SelfSubjectReview> = Api::all(self.access.client.clone());
        match reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await {
            Ok(review) => {
                let user = review.status.and_then(|status| status.user_info).unwrap_or_default();
                Ok(Some((user.username.unwrap_or_default(), user.groups.unwrap_or_default())))
            }
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 403 => Ok(None),
            Err(error) => Err(self.unreached(&error)),
        }
    }

    /// The rules of which something is not allowed here: only with the verbs that are missing.
    pub async fn missing(&self, rules: &[Rule]) -> Result<Vec<Rule>> {
        let asked: Vec<(usize, &'static str)> = rules.iter().enumerate().flat_map(|(place, rule)| rule.verbs.iter().map(move |verb| (place, *verb))).collect();
        let questions: Vec<_> = asked.iter().map(|(place, verb)| self.may(verb, &rules[*place])).collect();
        let allowed: Vec<bool> = futures::stream::iter(questions).buffered(PARALLEL).try_collect().await.map_err(|error| self.unreached(&error))?;
        let mut missing = Vec::new();
        for (place, rule) in rules.iter().enumerate() {
            let verbs: Vec<&str> = asked.iter().zip(&allowed).filter(|((of, _), allowed)| *of == place && !**allowed).map(|((_, verb), _)| *verb).collect();
            if !verbs.is_empty() {
                missing.push(Rule { verbs, ..rule.clone() });
            }
        }
        Ok(missing)
    }

    async fn may(&self, verb: &str, rule: &Rule) -> kube::Result<bool> {
        let (resource, subresource) = rule.resource.split_once('/').map_or((rule.resource, None), |(resource, sub)| (resource, Some(sub.to_owned())));
        let attributes = ResourceAttributes {
            group: Some(rule.group.to_owned()),
            namespace: Some(self.namespace().to_owned()),
            resource: Some(resource.to_owned()),
            subresource,
            verb: Some(verb.to_owned()),
            ..ResourceAttributes::default()
        };
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..SelfSubjectAccessReviewSpec::default() },
            ..SelfSubjectAccessReview::default()
        };
        let reviews: Api<SelfSubjectAccessReview> = Api::all(self.access.client.clone());
        let answer = reviews.create(&PostParams::default(), &review).await?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }

    /// The namespace itself: its labels say which Pod Security Standard it enforces.
    pub async fn of_namespace(&self) -> Result<Answer<Namespace>> {
        let namespaces: Api<Namespace> = Api::all(self.access.client.clone());
        self.answer(namespaces.get(self.namespace()).await)
    }

    pub async fn quotas(&self) -> Result<Answer<Vec<ResourceQuota>>> {
        self.answer(self.access.api::<ResourceQuota>().list(&ListParams::default()).await.map(|list| list.items))
    }

    pub async fn limits(&self) -> Result<Answer<Vec<LimitRange>>> {
        self.answer(self.access.api::<LimitRange>().list(&ListParams::default()).await.map(|list| list.items))
    }

    /// The names of the API groups that it has.
    pub async fn groups(&self) -> Result<Vec<String>> {
        let groups = self.access.client.list_api_groups().await.map_err(|error| self.unreached(&error))?;
        Ok(groups.groups.into_iter().map(|group| group.name).collect())
    }

    fn answer<T>(&self, answer: kube::Result<T>) -> Result<Answer<T>> {
        match answer {
            Ok(told) => Ok(Answer::Told(told)),
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(Answer::Forbidden),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Answer::Missing),
            Err(error) => Err(self.unreached(&error)),
        }
    }
}

fn now() -> f64 {
    time::now().as_duration().as_secs_f64()
}
