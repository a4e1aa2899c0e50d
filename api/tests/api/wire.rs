//! What only shows on the wire: a real listener, and bytes.

use std::sync::Arc;

use api::{ApiOptions, Groups, Verifier};
use contracts::Handle;
use poem::{
    Server,
    listener::{Acceptor, Listener, TcpListener},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::Away;

/// Sends bytes to a real server, each on a connection of its own, and returns the answers.
async fn exchange<const N: usize>(requests: [String; N]) -> [String; N] {
    let groups = Groups {
        users: Handle::new(Arc::new(Away::default())),
        cycles: Handle::new(Arc::new(Away::default())),
        analytics: Handle::new(Arc::new(Away::default())),
        notifications: Handle::new(Arc::new(Away::default())),
    };
    let verifier = Arc::new(Verifier::new(groups.users.clone()));
    let app = api::app(&groups, verifier, ApiOptions::default());
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.expect("a free port");
    let address = *acceptor.local_addr()[0].as_socket_addr().expect("an address");
    let client = async {
        let mut answers = [const { String::new() }; N];
        for (request, answer) in requests.iter().zip(&mut answers) {
            let mut stream = TcpStream::connect(address).await.expect("a listener");
            stream.write_all(request.as_bytes()).await.expect("an open connection");
            stream.read_to_string(answer).await.expect("UTF-8");
        }
        answers
    };
    tokio::select! {
        served = Server::new_with_acceptor(acceptor).run(app) => panic!("it ended: {served:?}"),
        answers = client => answers,
    }
}

fn request(line: &str, rest: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{rest}")
}

#[tokio::test]
async fn answers_name_no_server_and_heads_have_no_body() {
    let [get, head, post] = exchange([
        request("GET /nowhere?secret=1", "\r\n"),
        request("HEAD /openapi.json", "\r\n"),
        request("HEAD /api/users/login", "\r\n"),
    ])
    .await;
    assert!(get.starts_with("HTTP/1.1 404 "), "{get}");
    assert!(get.contains("content-type: application/problem+json"), "{get}");
    assert!(!get.contains("secret") && !get.to_lowercase().contains("server:"), "{get}");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(post.starts_with("HTTP/1.1 405 ") && post.ends_with("\r\n\r\n"), "{post}");
    assert!(post.contains("allow: OPTIONS, POST"), "{post}");
}

#[tokio::test]
async fn a_chunked_body_is_counted() {
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    let head = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let login = "POST /api/users/login";
    let [large, small] = exchange([
        request(login, &format!("{head}{}0\r\n\r\n", chunk.repeat(17))),
        request(login, &format!("{head}2\r\n{{}}\r\n0\r\n\r\n")),
    ])
    .await;
    assert!(large.starts_with("HTTP/1.1 413 "), "{large}");
    // What was not read cannot be skipped: the client is told that the connection ends.
    assert!(large.to_ascii_lowercase().contains("connection: close"), "{large}");
    assert!(small.starts_with("HTTP/1.1 422 "), "{small}");
}
