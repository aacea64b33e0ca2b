//! Requests that are tried again: which may be, for how long, and what is certain of one that failed.

use std::time::Duration;

use tokio::time::Instant;

/// How long a request that the API server did not take (429, 5xx, no connection) is tried again, all in all: longer than an API server takes to start anew.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// How long one try may take. The API server itself gives up after 60 s; what takes longer than this is most often a connection that leads nowhere.
const TRY: Duration = Duration::from_secs(30);
/// The pauses between two tries begin with the first and double up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// The least pause after an API server said that it has too much to do.
const BUSY: Duration = Duration::from_secs(1);
/// How long an API server that was away may refuse what is allowed: one that has just started does not know the roles yet.
const STARTING: Duration = Duration::from_secs(20);
/// The longest that an API server may ask to wait for.
const ASKED: Duration = Duration::from_secs(30);

/// Tries again what the API server could not take just now.
pub async fn patiently<T, F, Answer>(mut request: F) -> kube::Result<T>
where
    F: FnMut() -> Answer,
    Answer: Future<Output = kube::Result<T>>,
{
    at_length(|| once(request())).await
}

/// The same for answers that may take long, such as a log: only silence ends a try.
pub async fn at_length<T, F, Answer>(mut request: F) -> kube::Result<T>
where
    F: FnMut() -> Answer,
    Answer: Future<Output = kube::Result<T>>,
{
    let mut pace = Pace::default();
    loop {
        match request().await {
            Err(error) => {
                let pause = pace.after(&error);
                if !pace.passes(&error) || pace.is_over_after(pause) {
                    return Err(error);
                }
                tokio::time::sleep(pause).await;
            }
            answer => return answer,
        }
    }
}

/// One try.
pub async fn once<T>(request: impl Future<Output = kube::Result<T>>) -> kube::Result<T> {
    within(TRY, request).await
}

async fn within<T>(limit: Duration, request: impl Future<Output = kube::Result<T>>) -> kube::Result<T> {
    tokio::time::timeout(limit, request).await.unwrap_or_else(|_| Err(kube::Error::Service(format!("no answer within {} s", limit.as_secs()).into())))
}

/// The pauses between tries of one thing.
pub struct Pace {
    began: Instant,
    next: Duration,
    /// When the API server was last not reached.
    away: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { began: Instant::now(), next: PAUSES.0, away: None }
    }
}

impl Pace {
    /// How long to wait after this failure.
    pub fn after(&mut self, error: &kube::Error) -> Duration {
        let pause = self.next;
        self.next = (self.next * 2).min(PAUSES.1);
        if !is_answer(error) {
            self.away = Some(Instant::now());
        }
        let kube::Error::Api(status) = error else { return pause };
        let asked = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
        let least = if status.code == 429 { BUSY } else { Duration::ZERO };
        pause.max(least).max(Duration::from_secs(asked.into()).min(ASKED))
    }

    /// Whether the same request may be taken a little later, after what was seen so far.
    pub fn passes(&self, error: &kube::Error) -> bool {
        let forbidden = matches!(error, kube::Error::Api(status) if status.code == 403);
        passes(error) || (forbidden && self.away.is_some_and(|away| away.elapsed() < STARTING))
    }

    /// Whether it will have been tried long enough after that pause.
    pub fn is_over_after(&self, pause: Duration) -> bool {
        self.began.elapsed() + pause > PATIENCE
    }
}

/// Whether the API server's words are those of an etcd that is full: it takes nothing more before somebody has made room in it.
pub fn is_full(message: &str) -> bool {
    message.contains("database space exceeded")
}

/// Whether the same request may be taken a little later.
pub fn passes(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 429 || (status.code >= 500 && status.code != 501 && !is_full(&status.message)),
        // Who presents a wrong certificate will not have a better one.
        kube::Error::HyperError(_) | kube::Error::Service(_) => !explain(error).contains("invalid peer certificate"),
        kube::Error::ReadEvents(_) => true,
        _ => false,
    }
}

/// Whether the API server itself said it: the connection to it works.
pub fn is_answer(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(_))
}

/// Whether a request that failed so was certainly not carried out.
pub fn is_undone(error: &kube::Error) -> bool {
    match error {
        // Refused because of it itself, or before anybody looked at it; the others may be a gateway's that has lost the answer.
        kube::Error::Api(status) => status.code < 500 || is_full(&status.message),
        kube::Error::Service(error) => error.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(hyper_util::client::legacy::Error::is_connect),
        kube::Error::HyperError(_) | kube::Error::ReadEvents(_) | kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => false,
        // It could not be made, or signed.
        _ => true,
    }
}

/// What went wrong, down to its cause: the outermost message of an HTTP client says little.
pub fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn refused(code: u16, message: &str) -> kube::Error {
        kube::Error::Api(Box::new(Status { code, message: message.into(), ..Status::default() }))
    }

    fn unreachable() -> kube::Error {
        kube::Error::Service("reset".into())
    }

    #[test]
    fn what_is_tried_again_is_tried_not_too_often() {
        for (failure, most) in [(refused(429, ""), 25), (refused(500, ""), 25), (unreachable(), 25)] {
            assert!(passes(&failure));
            let (mut pace, mut waited, mut tries) = (Pace::default(), Duration::ZERO, 0);
            while waited < PATIENCE {
                waited += pace.after(&failure);
                tries += 1;
            }
            assert!((15..=most).contains(&tries), "{tries} tries");
        }
        for failure in [refused(500, "etcdserver: mvcc: database space exceeded"), refused(403, "no"), refused(422, "wrong"), refused(409, "there"), refused(501, "")] {
            assert!(!passes(&failure));
        }
    }

    #[test]
    fn an_api_server_that_was_away_knows_the_roles_a_little_later() {
        let forbidden = refused(403, "no");
        let mut pace = Pace::default();
        pace.after(&forbidden);
        assert!(!pace.passes(&forbidden));
        pace.after(&unreachable());
        assert!(pace.passes(&forbidden) && !pace.passes(&refused(422, "wrong")));
        pace.away = Instant::now().checked_sub(STARTING);
        assert!(!pace.passes(&forbidden));
    }

    #[tokio::test]
    async fn silence_ends_a_try() {
        let silent = within(Duration::from_millis(10), std::future::pending::<kube::Result<()>>()).await;
        assert!(silent.is_err_and(|error| passes(&error) && !is_undone(&error)));
    }

    #[test]
    fn what_is_certain() {
        assert!(is_undone(&refused(429, "")) && is_undone(&refused(403, "")));
        assert!(is_undone(&refused(500, "etcdserver: mvcc: database space exceeded")));
        assert!(!is_undone(&refused(500, "")) && !is_undone(&refused(504, "")) && !is_undone(&unreachable()));
    }

    #[test]
    fn an_api_server_may_ask_for_patience() {
        let said = serde_json::json!({"code": 429, "status": "Failure", "message": "", "reason": "TooManyRequests", "metadata": {}, "details": {"retryAfterSeconds": 7}});
        let status: Status = serde_json::from_value(said).expect("a status");
        let mut pace = Pace::default();
        assert_eq!(pace.after(&kube::Error::Api(Box::new(status))), Duration::from_secs(7));
        assert_eq!(pace.after(&refused(500, "")), PAUSES.0 * 2);
    }
}
