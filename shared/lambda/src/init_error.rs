//! Telling Lambda why a start failed, so that its log and whoever called say more than that the process ended.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde::Serialize;

const PATH: &str = "/2018-06-01/runtime/init/error";
const KIND: &str = "Plimsoll.StartFailed";
/// Lambda's endpoint is on this machine.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InitError<'a> {
    error_type: &'static str,
    error_message: &'a str,
    stack_trace: [&'static str; 0],
}

/// `endpoint` is host and port. By hand, since nothing is there yet that could speak HTTP.
pub(crate) fn report(endpoint: &str, message: &str) -> io::Result<()> {
    let error = InitError { error_type: KIND, error_message: message, stack_trace: [] };
    let body = serde_json::to_string(&error)?;
    let address = endpoint.to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut connection = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
    connection.set_read_timeout(Some(ANSWER_WITHIN))?;
    connection.set_write_timeout(Some(ANSWER_WITHIN))?;
    write!(
        connection,
        "POST {PATH} HTTP/1.1\r\nhost: {endpoint}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         lambda-runtime-function-error-type: {KIND}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )?;
    // Its first byte says that the report was taken.
    connection.read_exact(&mut [0]).map(drop)
}

#[cfg(test)]
mod tests {
    use std::io::BufRead;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn lambda_is_told_why_a_start_failed() {
        let server = TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = server.local_addr().expect("an address").to_string();
        let served = std::thread::spawn(move || {
            let (mut connection, _) = server.accept().expect("a connection");
            let mut lines = io::BufReader::new(connection.try_clone().expect("a handle")).lines();
            let head: Vec<String> =
                lines.by_ref().map(|line| line.expect("a line")).take_while(|line| !line.is_empty()).collect();
            connection.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").expect("sent");
            head
        });
        report(&endpoint, "A is missing").expect("taken");
        let head = served.join().expect("served");
        assert_eq!(head[0], "POST /2018-06-01/runtime/init/error HTTP/1.1");
        assert!(head.contains(&"lambda-runtime-function-error-type: Plimsoll.StartFailed".to_owned()), "{head:?}");
    }
}
