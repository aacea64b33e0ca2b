//! Two users of rustls in one process: the object store's (through reqwest) and the database's. With two providers of cryptography in the
//! build, or with none installed, the second to come would panic.

#![allow(clippy::expect_used)] // It is a test.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use runwright::store::Store;
use runwright::store::artifacts::Artifacts;

/// A server that begins TLS as PostgreSQL does, and then talks nonsense.
fn nonsense() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut asked = [0; 8];
            let _ = stream.read_exact(&mut asked).and_then(|()| stream.write_all(b"S")).and_then(|()| stream.write_all(b"no TLS record at all"));
        }
    });
    port
}

#[tokio::test]
async fn both_kinds_of_client_live_in_one_process() {
    let home = tempfile::tempdir().expect("a folder");
    for _ in 0..2 {
        Artifacts::open("s3://bucket/prefix").expect("an S3 client");
        let url = format!("postgresql://me@localhost:{}/db?sslmode=prefer", nonsense());
        let error = Store::open(Some(&url), home.path()).await.map(drop).expect_err("no PostgreSQL").to_string();
        assert!(error.contains("TLS"), "{error}");
        // As other libraries make theirs: of the process's provider.
        let _ = rustls::ClientConfig::builder();
        reqwest::Client::builder().build().expect("a client");
    }
}
