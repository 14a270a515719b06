//! The command line over HTTPS: a private authority is named by a file, and what is wrong with a certificate is said.
//!
//! The certificates beside this file are good until 2126 (`expired.pem` until 2020); the authority's key is gone.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;

use tests::Binary;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

const CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/it/https/ca.pem");
const KEY: &[u8] = include_bytes!("https/server.key");
const GOOD: &[u8] = include_bytes!("https/good.pem");
const EXPIRED: &[u8] = include_bytes!("https/expired.pem");
const OTHER_NAME: &[u8] = include_bytes!("https/other-name.pem");

/// How the server speaks.
enum Speaks {
    Tls(&'static [u8]),
    PlainHttp,
}

/// Answers every request with an empty list of projects, until it is dropped.
struct Server {
    _runtime: Runtime,
    url: String,
}

impl Server {
    fn start(speaks: Speaks) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port");
        let url = format!("https://{}", listener.local_addr().expect("bound"));
        runtime.spawn(async move {
            let acceptor = match speaks {
                Speaks::Tls(certificate) => Some(acceptor(certificate)),
                Speaks::PlainHttp => None,
            };
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    match acceptor {
                        Some(acceptor) => {
                            // A client that does not trust us ends the handshake.
                            if let Ok(stream) = acceptor.accept(stream).await {
                                answer(stream).await;
                            }
                        }
                        None => answer(stream).await,
                    }
                });
            }
        });
        Self { _runtime: runtime, url }
    }
}

fn acceptor(certificate: &[u8]) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_slice(certificate).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("they fit");
    TlsAcceptor::from(Arc::new(config))
}

async fn answer(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin) {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\nconnection: close\r\n\r\n{\"projects\":[]}";
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    let _ = stream.write_all(ANSWER).await;
    let _ = stream.shutdown().await;
}

fn project_list(url: &str, ca: Option<&str>) -> (i32, String) {
    let mut command = Command::new(Binary::path());
    command.args(["project", "list", "--json", "--url", url, "--key", "pl_a_x"]);
    for name in ["PLIMSOLL_URL", "PLIMSOLL_CA", "PLIMSOLL_STACK"] {
        command.env_remove(name);
    }
    if let Some(ca) = ca {
        command.env("PLIMSOLL_CA", ca);
    }
    let output = command.output().expect("the binary starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().expect("it was not killed"), String::from_utf8(text).expect("utf-8"))
}

#[test]
fn a_private_authority_is_named_by_a_file() {
    let server = Server::start(Speaks::Tls(GOOD));
    assert_eq!(project_list(&server.url, Some(CA)), (0, "[]\n".to_owned()));
    let by_name = server.url.replace("127.0.0.1", "localhost");
    assert_eq!(project_list(&by_name, Some(CA)), (0, "[]\n".to_owned()));
}

#[test]
fn a_bad_certificate_is_explained() {
    let cases = [
        ("a stranger's", Speaks::Tls(GOOD), None, "nobody whom this program trusts"),
        ("an expired one", Speaks::Tls(EXPIRED), Some(CA), "has expired"),
        ("another server's", Speaks::Tls(OTHER_NAME), Some(CA), "is for other names"),
        ("none at all", Speaks::PlainHttp, Some(CA), "speaks no TLS"),
    ];
    for (what, speaks, ca, words) in cases {
        let server = Server::start(speaks);
        let (code, said) = project_list(&server.url, ca);
        assert!(code == 1 && said.contains("cannot reach") && said.contains(words), "{what}: {said}");
        assert!(!said.contains("plimsoll serve"), "the server is there: {said}");
    }
}
