//! A server that says what it is told to say, byte by byte, and keeps what it was sent; and a client that does the same.

use std::sync::{Arc, Mutex};

use tests::cloud::proxy::{Proxy, Upstreams};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Answers every request on a connection of its own with the same bytes.
pub(super) struct Upstream {
    pub(super) address: String,
    sent: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    pub(super) async fn start(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let sent: Arc<Mutex<Vec<String>>> = Arc::default();
        let (answer, kept) = (answer.to_owned(), Arc::clone(&sent));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = message(&mut stream, Framing::Request).await;
                kept.lock().unwrap().push(request);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { address, sent }
    }

    /// The requests that arrived, whole.
    pub(super) fn sent(&self) -> Vec<String> {
        self.sent.lock().unwrap().clone()
    }

    pub(super) async fn behind_a_proxy(&self) -> Proxy {
        Proxy::start(Upstreams::new(&self.address)).await.unwrap()
    }
}

/// Sends bytes on a connection of its own; all that comes back until the answer is whole or the connection ends.
pub(super) async fn exchange(proxy: &Proxy, request: &str) -> String {
    let mut stream = TcpStream::connect(proxy.endpoint().trim_start_matches("http://")).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let framing = if request.starts_with("HEAD") { Framing::NoBody } else { Framing::Answer };
    message(&mut stream, framing).await
}

#[derive(Clone, Copy, PartialEq)]
enum Framing {
    Request,
    Answer,
    NoBody,
}

/// Reads one message; what there is of it if the connection ends.
async fn message(stream: &mut TcpStream, framing: Framing) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while !is_whole(&String::from_utf8_lossy(&bytes), framing) {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn is_whole(message: &str, framing: Framing) -> bool {
    let Some((head, body)) = message.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    match (framing, length) {
        (Framing::NoBody, _) => true,
        (_, Some(length)) => body.len() >= length,
        (Framing::Request, None) => true,
        (Framing::Answer, None) => head.starts_with("http/1.1 204"),
    }
}
