//! The way to the server: what the URL asks for, encrypted or not.
//!
//! `sslmode` means what it means to every other client of PostgreSQL, with two differences. Without one, a server on this machine is spoken to
//! plainly and any other as with `prefer`. And `require` looks at the certificate as `verify-full` does: a connection that was asked to be
//! secure is not secure if anybody may be at its other end.

use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{Error, Result};

/// How long a connection may take to come about, and to be found dead when the other end is gone without a word.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the server is and how it is spoken to.
pub struct Address {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl Address {
    /// Of a `postgresql://` URL.
    pub fn parse(url: &str) -> Result<Self> {
        let (plain, mut options) = take_options(url, &["sslmode", "sslrootcert"]);
        let (root, mode) = (options.pop().flatten(), options.pop().flatten());
        let mut config = Config::from_str(&plain).map_err(|error| {
            Error::invalid(
                "RUNWRIGHT_STORE",
                super::super::without_password(url),
                format!("the URL of the PostgreSQL store cannot be read: {}", super::whole(&error)),
                "write it as postgresql://user@host:port/database",
            )
        })?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(PATIENCE);
        }
        config.tcp_user_timeout(PATIENCE).keepalives_idle(PATIENCE).application_name("runwright");
        let (mode, verified) = match mode.as_deref() {
            None if is_here(&config) => (SslMode::Disable, false),
            None | Some("prefer" | "allow") => (SslMode::Prefer, false),
            Some("disable") => (SslMode::Disable, false),
            Some("require" | "verify-ca" | "verify-full") => (SslMode::Require, true),
            Some(other) => {
                let known = ["disable", "prefer", "require", "verify-full"];
                let hint = crate::error::did_you_mean(other, known);
                return Err(Error::invalid("sslmode", other, format!("RUNWRIGHT_STORE: there is no sslmode {other:?}{hint}"), format!("use one of {}", known.join(", "))));
            }
        };
        config.ssl_mode(mode);
        let tls = if mode == SslMode::Disable { None } else { Some(MakeRustlsConnect::new(client_config(verified, root.as_deref())?)) };
        Ok(Self { config, tls })
    }

    /// Connects. The connection lives as long as the client.
    pub async fn connect(&self) -> std::result::Result<Client, tokio_postgres::Error> {
        // The tasks end with their connection; its error reaches whoever has a request under way.
        let client = if let Some(tls) = &self.tls {
            let (client, connection) = self.config.connect(tls.clone()).await?;
            tokio::spawn(connection);
            client
        } else {
            let (client, connection) = self.config.connect(NoTls).await?;
            tokio::spawn(connection);
            client
        };
        Ok(client)
    }
}

/// Whether the server is on this machine.
fn is_here(config: &Config) -> bool {
    let local = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
    };
    config.get_hosts().iter().all(local) && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// The URL without some of its options, and their values.
fn take_options(url: &str, names: &[&str]) -> (String, Vec<Option<String>>) {
    let mut taken = vec![None; names.len()];
    let Some((base, query)) = url.split_once('?') else { return (url.to_owned(), taken) };
    let mut kept = Vec::new();
    for option in query.split('&') {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match names.iter().position(|known| *known == name) {
            Some(at) => taken[at] = url::form_urlencoded::parse(format!("v={value}").as_bytes()).next().map(|(_, value)| value.into_owned()),
            None => kept.push(option),
        }
    }
    (if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) }, taken)
}

fn client_config(verified: bool, root: Option<&str>) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::store(format!("TLS cannot be set up: {error}"), "this is a fault of Runwright; please report it"))?;
    let builder = if verified {
        builder.with_root_certificates(roots(root.filter(|root| *root != "system"))?)
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
    };
    Ok(builder.with_no_client_auth())
}

/// Whom to believe: the given file, or what the system believes (`SSL_CERT_FILE` and `SSL_CERT_DIR` say otherwise).
fn roots(file: Option<&str>) -> Result<RootCertStore> {
    let found = match file {
        Some(file) => rustls_native_certs::load_certs_from_paths(Some(Path::new(file)), None),
        None => rustls_native_certs::load_native_certs(),
    };
    let mut roots = RootCertStore::empty();
    if roots.add_parsable_certificates(found.certs).0 > 0 {
        return Ok(roots);
    }
    let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
    Err(Error::invalid(
        "RUNWRIGHT_STORE",
        file.unwrap_or("the system's certificates"),
        format!("no certificate of an authority was found to check the PostgreSQL server's with{why}"),
        "name the file (PEM) of the authority that signed it with sslrootcert=/path in RUNWRIGHT_STORE, or with SSL_CERT_FILE",
    ))
}

/// `prefer` encrypts where the server can, whoever it is: better than in the clear, where it would go otherwise.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_near_is_spoken_to_plainly_and_who_is_far_encrypted_if_possible() {
        for (url, mode) in [
            ("postgresql://me@localhost/db", SslMode::Disable),
            ("postgresql://me@127.0.0.1:5433/db", SslMode::Disable),
            ("postgresql://me@/db?host=/run/postgresql", SslMode::Disable),
            ("postgresql://me@db.example.com/db", SslMode::Prefer),
            ("postgresql://me@localhost,db.example.com/db", SslMode::Prefer),
            ("postgresql://me@localhost/db?sslmode=prefer", SslMode::Prefer),
            ("postgresql://me@db.example.com/db?sslmode=disable&connect_timeout=3", SslMode::Disable),
        ] {
            let address = Address::parse(url).expect(url);
            assert_eq!((address.config.get_ssl_mode(), address.tls.is_some()), (mode, mode != SslMode::Disable), "{url}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_its_password() {
        for (url, words) in [
            ("postgresql://me:hunter2@h/db?sslmode=requires", "did you mean \"require\""),
            ("postgresql://me:hunter2@h/db?sslmode=require&sslrootcert=/nowhere", "sslrootcert=/path"),
            ("postgresql://me:hunter2@h:port/db", "postgresql://user@host:port/database"),
        ] {
            let error = Address::parse(url).map(drop).expect_err(url).to_string();
            assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
        }
    }
}
