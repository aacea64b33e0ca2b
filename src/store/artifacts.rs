//! The artifact store: bytes by path, in a local folder or behind `s3://`, `gs://`, `az://` (the `object_store` crate, configured by the usual environment variables).

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt as _;
use http::Method;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::Url;

use crate::error::{Error, Result};

/// The longest that a presigned URL may live: the limit of signature version 4.
pub const LONGEST: Duration = Duration::from_hours(7 * 24);
/// And the shortest, which is for tests: a pod takes a few seconds to begin.
const SHORTEST: Duration = Duration::from_secs(1);
/// What is uploaded in one request, and the size of the parts of what is larger.
const PART: usize = 8 * 1024 * 1024;

/// Where bytes are kept.
#[derive(Debug, Clone)]
pub enum Artifacts {
    /// A folder on this machine.
    Local(PathBuf),
    /// An object store.
    Remote(Remote),
}

/// How a file on the same machine is taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// Copied: its owner may change it later.
    Copy,
    /// Linked where that is possible: nobody changes a run's outputs.
    Link,
}

/// A bucket, and the prefix in it.
#[derive(Debug, Clone)]
pub struct Remote {
    url: Url,
    prefix: Path,
    store: Arc<dyn ObjectStore>,
    signer: Arc<dyn Signer>,
    /// How long presigned URLs live.
    lifetime: Duration,
}

impl Artifacts {
    /// Opens a folder, a `file://`, `s3://`, `gs://` or `az://` URL. No request is made.
    pub fn open(url: &str) -> Result<Self> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Ok(Self::Local(PathBuf::from(url)));
        };
        if scheme == "file" {
            return Ok(Self::Local(PathBuf::from(rest)));
        }
        Remote::open(url).map(Self::Remote)
    }

    /// The same, whose presigned URLs live so long; by default as long as they can.
    pub fn with_lifetime(mut self, seconds: f64) -> Result<Self> {
        let lifetime = Duration::try_from_secs_f64(seconds).ok().filter(|lifetime| (SHORTEST..=LONGEST).contains(lifetime)).ok_or_else(|| {
            Error::invalid(
                "url_lifetime",
                seconds,
                format!("url_lifetime={seconds} is not how long a presigned URL can live"),
                format!("give a number of seconds between {} and {} (7 days)", SHORTEST.as_secs(), LONGEST.as_secs()),
            )
        })?;
        if let Self::Remote(remote) = &mut self {
            remote.lifetime = lifetime;
        }
        Ok(self)
    }

    /// How long presigned URLs live. None for a local folder, which has none.
    #[must_use]
    pub const fn lifetime(&self) -> Option<Duration> {
        match self {
            Self::Local(_) => None,
            Self::Remote(remote) => Some(remote.lifetime),
        }
    }

    /// For people.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::Local(folder) => folder.display().to_string(),
            Self::Remote(remote) => remote.url.to_string(),
        }
    }

    /// The file on this machine, where there is one.
    #[must_use]
    pub fn local_path(&self, path: &str) -> Option<PathBuf> {
        match self {
            Self::Local(folder) => Some(folder.join(path)),
            Self::Remote(_) => None,
        }
    }

    /// The full address, as entities record it.
    #[must_use]
    pub fn address(&self, path: &str) -> String {
        match self {
            Self::Local(folder) => folder.join(path).display().to_string(),
            Self::Remote(remote) => format!("{}/{path}", remote.url.as_str().trim_end_matches('/')),
        }
    }

    /// Takes a file in.
    pub async fn put_file(&self, path: &str, file: &FilePath, take: Take) -> Result<()> {
        match self {
            Self::Local(folder) => {
                let (file, target) = (file.to_owned(), folder.join(path));
                blocking(move || put_local(&file, &target, take).map_err(|error| local_error("written", &target, &error))).await
            }
            Self::Remote(remote) => remote.put_file(path, file).await,
        }
    }

    /// Writes bytes.
    pub async fn put(&self, path: &str, content: Vec<u8>) -> Result<()> {
        match self {
            Self::Local(folder) => {
                let target = folder.join(path);
                write_whole(&target, &content).map_err(|error| local_error("written", &target, &error))
            }
            Self::Remote(remote) => remote.store.put(&remote.at(path), Bytes::from(content).into()).await.map_err(|error| remote.explain("written", path, &error)).map(drop),
        }
    }

    /// Reads bytes; None where there is nothing.
    pub async fn get(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Local(folder) => {
                let source = folder.join(path);
                match std::fs::read(&source) {
                    Ok(content) => Ok(Some(content)),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(local_error("read", &source, &error)),
                }
            }
            Self::Remote(remote) => match remote.store.get(&remote.at(path)).await {
                Ok(found) => found.bytes().await.map(|bytes| Some(bytes.to_vec())).map_err(|error| remote.explain("read", path, &error)),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(remote.explain("read", path, &error)),
            },
        }
    }

    /// The size in bytes; None where there is nothing.
    pub async fn get_size(&self, path: &str) -> Result<Option<u64>> {
        match self {
            Self::Local(folder) => Ok(std::fs::metadata(folder.join(path)).ok().map(|metadata| metadata.len())),
            Self::Remote(remote) => match remote.store.head(&remote.at(path)).await {
                Ok(found) => Ok(Some(found.size)),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(remote.explain("read", path, &error)),
            },
        }
    }

    /// Copies to a file on this machine.
    pub async fn download(&self, path: &str, target: &FilePath) -> Result<()> {
        match self {
            Self::Local(folder) => {
                let (file, target) = (folder.join(path), target.to_owned());
                blocking(move || put_local(&file, &target, Take::Copy).map_err(|error| local_error("copied to", &target, &error))).await
            }
            Self::Remote(remote) => remote.download(path, target).await,
        }
    }

    /// A URL by which anybody may read, for a while. None for a local folder.
    pub async fn presigned_get(&self, path: &str) -> Result<Option<Url>> {
        match self {
            Self::Local(_) => Ok(None),
            Self::Remote(remote) => {
                remote.signer.signed_url(Method::GET, &remote.at(path), remote.lifetime).await.map(Some).map_err(|error| remote.explain("signed", path, &error))
            }
        }
    }

    /// A URL by which anybody may write, for a while. None for a local folder.
    pub async fn presigned_put(&self, path: &str) -> Result<Option<Url>> {
        match self {
            Self::Local(_) => Ok(None),
            Self::Remote(remote) => {
                remote.signer.signed_url(Method::PUT, &remote.at(path), remote.lifetime).await.map(Some).map_err(|error| remote.explain("signed", path, &error))
            }
        }
    }

    /// Copies within the store.
    pub async fn copy(&self, from: &str, to: &str) -> Result<()> {
        match self {
            Self::Local(folder) => self.put_file(to, &folder.join(from), Take::Link).await,
            Self::Remote(remote) => remote.store.copy(&remote.at(from), &remote.at(to)).await.map_err(|error| remote.explain("copied", from, &error)),
        }
    }

    /// Deletes what is at or below a path. Nothing there is no error.
    pub async fn delete(&self, path: &str) -> Result<()> {
        match self {
            Self::Local(folder) => {
                let target = folder.join(path);
                let remove = move || match if target.is_dir() { std::fs::remove_dir_all(&target) } else { std::fs::remove_file(&target) } {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(local_error("deleted", &target, &error)),
                    _ => Ok(()),
                };
                blocking(remove).await
            }
            Self::Remote(remote) => {
                let below = remote.at(path);
                let explain = |error: object_store::Error| remote.explain("deleted", path, &error);
                let found: Vec<_> = remote.store.list(Some(&below)).try_collect().await.map_err(explain)?;
                for object in found {
                    remote.store.delete(&object.location).await.map_err(explain)?;
                }
                match remote.store.delete(&below).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                    Err(error) => Err(explain(error)),
                }
            }
        }
    }
}

impl Remote {
    fn open(text: &str) -> Result<Self> {
        let unusable = |why: &dyn std::fmt::Display| {
            Error::invalid(
                "RUNWRIGHT_ARTIFACTS",
                text,
                format!("the artifact store {text:?} cannot be used: {why}"),
                "use a folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix, with the usual AWS_*, GOOGLE_* or AZURE_* environment variables",
            )
        };
        let url = Url::parse(text).map_err(|error| unusable(&error))?;
        crate::install_tls();
        let (store, signer): (Arc<dyn ObjectStore>, Arc<dyn Signer>) = match url.scheme() {
            "s3" | "s3a" => {
                let plain = std::env::var("AWS_ENDPOINT_URL").is_ok_and(|endpoint| endpoint.starts_with("http://"));
                let both = Arc::new(AmazonS3Builder::from_env().with_url(text).with_allow_http(plain).build().map_err(|error| unusable(&error))?);
                (both.clone(), both)
            }
            "gs" => {
                let both = Arc::new(GoogleCloudStorageBuilder::from_env().with_url(text).build().map_err(|error| unusable(&error))?);
                (both.clone(), both)
            }
            "az" | "abfs" | "abfss" | "azure" => {
                let both = Arc::new(MicrosoftAzureBuilder::from_env().with_url(text).build().map_err(|error| unusable(&error))?);
                (both.clone(), both)
            }
            other => return Err(unusable(&format!("there is no store for {other}://"))),
        };
        let prefix = Path::from(url.path().trim_matches('/'));
        Ok(Self { url, prefix, store, signer, lifetime: LONGEST })
    }

    fn at(&self, path: &str) -> Path {
        self.prefix.parts().chain(Path::from(path).parts()).collect()
    }

    async fn put_file(&self, path: &str, file: &FilePath) -> Result<()> {
        let at = self.at(path);
        let mut source = tokio::fs::File::open(file).await.map_err(|error| local_error("read", file, &error))?;
        let size = source.metadata().await.map_err(|error| local_error("read", file, &error))?.len();
        let explain = |error: object_store::Error| self.explain("written", path, &error);
        if size <= PART as u64 {
            let mut content = Vec::new();
            source.read_to_end(&mut content).await.map_err(|error| local_error("read", file, &error))?;
            return self.store.put(&at, Bytes::from(content).into()).await.map_err(explain).map(drop);
        }
        let upload = self.store.put_multipart(&at).await.map_err(explain)?;
        let part = part_size(size);
        let mut writer = WriteMultipart::new_with_chunk_size(upload, part);
        let mut buffer = vec![0; part];
        let sent = async {
            loop {
                let read = source.read(&mut buffer).await.map_err(|error| local_error("read", file, &error))?;
                if read == 0 {
                    return Ok(());
                }
                writer.wait_for_capacity(4).await.map_err(explain)?;
                writer.write(&buffer[..read]);
            }
        };
        if let Err(error) = sent.await {
            // Parts that stay are paid for. Best effort: the error that matters is the first.
            let _ = writer.abort().await;
            return Err(error);
        }
        writer.finish().await.map_err(explain).map(drop)
    }

    async fn download(&self, path: &str, target: &FilePath) -> Result<()> {
        let found = self.store.get(&self.at(path)).await.map_err(|error| self.explain("read", path, &error))?;
        let local = |error: &std::io::Error| local_error("written", target, error);
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder).map_err(|error| local(&error))?;
        }
        let partial = partial_name(target);
        let write = async {
            let mut file = tokio::fs::File::create(&partial).await.map_err(|error| local(&error))?;
            let mut stream = found.into_stream();
            while let Some(chunk) = stream.try_next().await.map_err(|error| self.explain("read", path, &error))? {
                file.write_all(&chunk).await.map_err(|error| local(&error))?;
            }
            file.flush().await.map_err(|error| local(&error))?;
            std::fs::rename(&partial, target).map_err(|error| local(&error))
        };
        write.await.inspect_err(|_| {
            // Best effort: the error that matters is the first.
            let _ = std::fs::remove_file(&partial);
        })
    }

    fn explain(&self, verb: &str, path: &str, error: &object_store::Error) -> Error {
        let cure = match error {
            object_store::Error::NotFound { .. } => "it was deleted, or the bucket does not exist",
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                "check the credentials (AWS_*, GOOGLE_* or AZURE_* environment variables) and their rights on the bucket"
            }
            _ => "check that the store is reached from here; nothing was recorded, the bytes stay in the run's folder until they are taken in",
        };
        Error::store(format!("{path} in the artifact store {} cannot be {verb}: {error}", self.url), cure)
    }
}

/// Work on files that may take long, where it keeps nobody else from going on.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let broken = |error| Error::store(format!("work on files broke off: {error}"), "this is a fault of Runwright; please report it");
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(broken(error)))
}

/// Object stores take 10,000 parts of one object.
fn part_size(size: u64) -> usize {
    usize::try_from(size / 9_000).unwrap_or(usize::MAX).max(PART)
}

fn put_local(source: &FilePath, target: &FilePath, take: Take) -> std::io::Result<()> {
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match take {
        Take::Link => match std::fs::hard_link(source, target) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return replace_link(source, target),
            // Another file system, or one without links: copied.
            Err(_) => {}
        },
        Take::Copy => {}
    }
    let partial = partial_name(target);
    std::fs::copy(source, &partial).and_then(|_| std::fs::rename(&partial, target)).inspect_err(|_| {
        // Best effort: the error that matters is the first.
        let _ = std::fs::remove_file(&partial);
    })
}

/// What has the name already may be an older file: its name goes over to the new one.
fn replace_link(source: &FilePath, target: &FilePath) -> std::io::Result<()> {
    let partial = partial_name(target);
    let replaced = std::fs::hard_link(source, &partial).and_then(|()| std::fs::rename(&partial, target));
    // To rename one link of a file to another one does nothing: then it is still there.
    let _ = std::fs::remove_file(&partial);
    replaced
}

/// Writes a file so that no reader ever sees half of it.
pub fn write_whole(target: &FilePath, content: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let partial = partial_name(target);
    std::fs::write(&partial, content).and_then(|()| std::fs::rename(&partial, target)).inspect_err(|_| {
        // Best effort: the error that matters is the first.
        let _ = std::fs::remove_file(&partial);
    })
}

fn partial_name(target: &FilePath) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", uuid::Uuid::now_v7().simple()));
    target.with_file_name(name)
}

fn local_error(verb: &str, path: &FilePath, error: &std::io::Error) -> Error {
    let cure = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => "the disk is full: free some room and try again",
        std::io::ErrorKind::PermissionDenied => "give yourself the right, or set RUNWRIGHT_ARTIFACTS to another place",
        std::io::ErrorKind::NotFound if verb != "written" => "it was deleted",
        std::io::ErrorKind::NotFound => "check that its folder can be made, or set RUNWRIGHT_ARTIFACTS to another place",
        _ => "check the disk",
    };
    Error::store(format!("{} cannot be {verb}: {error}", path.display()), cure)
}
