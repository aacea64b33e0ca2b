//! A client whose credentials are renewed: where the API server accepts them no more (a token that was revoked, or expired without having said when; a login that
//! was made anew in the kubeconfig), or where a client certificate ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use kube::client::Body;
use tokio::sync::Mutex;

use super::target::Target;

/// The least time between two renewals: who is not let in is not asked for credentials with every request.
const PAUSE: Duration = Duration::from_secs(5);
/// So long before its end a certificate is not used any more.
const EARLY: SignedDuration = SignedDuration::from_secs(60);

/// One that renews itself, beginning with `first`.
pub fn renewing(target: &Target, first: Client) -> Client {
    let namespace = target.namespace.clone();
    let credentials = Arc::new(Credentials { target: target.clone(), current: Mutex::new(Current { client: first, renewed: Instant::now(), generation: 0 }) });
    Client::new(
        tower::service_fn(move |request| {
            let credentials = credentials.clone();
            async move { credentials.send(request).await }
        }),
        namespace,
    )
}

struct Credentials {
    target: Target,
    current: Mutex<Current>,
}

struct Current {
    client: Client,
    renewed: Instant,
    generation: u64,
}

impl Credentials {
    async fn send(&self, request: Request<Body>) -> kube::Result<Response<Body>> {
        let (client, generation) = self.current().await;
        let again = copy(&request);
        let answer = client.send(request).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        // It was not carried out: nobody was let in.
        match (again, self.renewed(generation).await) {
            (Some(again), Some(client)) => client.send(again).await,
            _ => Ok(answer),
        }
    }

    async fn current(&self) -> (Client, u64) {
        let mut current = self.current.lock().await;
        if current.client.valid_until().is_some_and(|end| Timestamp::now() + EARLY >= end) {
            self.renew(&mut current).await;
        }
        (current.client.clone(), current.generation)
    }

    /// Another client than that of a generation. None where there is none to be had just now.
    async fn renewed(&self, generation: u64) -> Option<Client> {
        let mut current = self.current.lock().await;
        if current.generation == generation {
            self.renew(&mut current).await;
        }
        (current.generation != generation).then(|| current.client.clone())
    }

    /// Asks the kubeconfig, and the program that it may name, again. Best effort: the API server says best what is wrong with the old ones.
    async fn renew(&self, current: &mut Current) {
        if current.renewed.elapsed() < PAUSE {
            return;
        }
        current.renewed = Instant::now();
        if let Ok(client) = self.target.connect().await {
            current.client = client;
            current.generation += 1;
        }
    }
}

/// The same request. None where its body can be sent only once.
fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    let mut copy = Request::new(request.body().try_clone()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}
