//! What a connection may do, by bare sockets: those who say nothing, say it slowly or do not listen are cut
//! off, and nobody has all places. The bounds are short here, so nothing is waited for but their effects.

use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::Method;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time,
};

use crate::harness::{App, Client, Options, Shape, client::Answer, wait};

/// A request that is answered without any group.
const ASK: &str = "GET /problems/internal HTTP/1.1\r\nHost: lunation\r\n\r\n";
/// How long the head of a request, and the silence between two, may take in these tests.
const BOUND: Duration = Duration::from_secs(1);
/// What begins every HTTP/2 connection, and empty settings (RFC 9113 §3.4).
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

async fn app(environment: &[(&str, &str)]) -> App {
    let environment =
        environment.iter().map(|(name, value)| (format!("LUNATION_{name}"), (*value).to_owned()));
    App::start_with(
        Shape::Memory,
        Options { environment: environment.collect(), ..Options::default() },
    )
    .await
}

async fn connect(app: &App) -> TcpStream {
    TcpStream::connect(app.url().strip_prefix("http://").unwrap()).await.unwrap()
}

/// Everything until the other side ends the connection, whichever way.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = time::timeout(wait::PATIENCE, stream.read_to_end(&mut bytes)).await;
    let _end_or_reset = read.expect("the connection ends");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One answer, of which the connection lives on.
async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        let read = time::timeout(wait::PATIENCE, stream.read_buf(&mut bytes)).await;
        assert!(read.expect("an answer comes").unwrap() > 0, "no whole answer: {text}");
    }
}

/// A counter or gauge, 0 while there is none.
async fn metric(app: &App, name: &str) -> u64 {
    let request = Client::new(app.admin_url()).request(Method::GET, "/metrics");
    // No connection that could be cut off itself.
    let text = Answer::of(request.header("Connection", "close")).await.text;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}

async fn cuts(app: &App, reason: &str) -> u64 {
    metric(app, &format!("http_connections_cut_total{{reason=\"{reason}\"}}")).await
}

/// Says something again and again until nobody listens any more.
async fn drip(stream: &TcpStream, bytes: &'static [u8]) {
    wait::until("the connection to be cut", || async move {
        let _full_or_cut = stream.try_write(bytes);
        match stream.try_read(&mut [0; 1_024]) {
            Ok(0) => Some(()),
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => Some(()),
            _ => None,
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_or_says_it_slowly_is_cut_off() {
    let bounds = [("CONNECTIONS_HEAD_TIMEOUT_MS", "1000"), ("CONNECTIONS_IDLE_TIMEOUT_MS", "1000")];
    let app = app(&bounds).await;
    // Nothing at all; a part of a head; what could become HTTP/2; HTTP/2 without a request.
    let begins: [&[u8]; 5] = [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n", &HTTP2[..8], HTTP2];
    let silent = begins.map(async |begin| {
        let begun = Instant::now();
        let mut stream = connect(&app).await;
        stream.write_all(begin).await.unwrap();
        let heard = rest(&mut stream).await;
        assert!(!heard.starts_with("HTTP/1.1 2"), "{heard}");
        assert!(begun.elapsed() >= BOUND, "{:?}", begun.elapsed());
    });
    // Byte by byte, so that there is never a silence.
    let slow = async {
        let begun = Instant::now();
        let mut stream = connect(&app).await;
        stream.write_all(b"GET / HTTP/1.1\r\nX-Slow: ").await.unwrap();
        drip(&stream, b"a").await;
        assert!(begun.elapsed() >= BOUND, "{:?}", begun.elapsed());
    };
    // Between two requests.
    let idle = async {
        let begun = Instant::now();
        let mut stream = connect(&app).await;
        stream.write_all(ASK.as_bytes()).await.unwrap();
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 "));
        assert_eq!(rest(&mut stream).await, "");
        assert!(begun.elapsed() >= BOUND, "{:?}", begun.elapsed());
    };
    tokio::join!(join_all(silent), slow, idle);
    assert!(cuts(&app, "head").await >= 6);
    assert!(cuts(&app, "idle").await >= 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_body_is_answered_408_and_ends_the_connection() {
    let app = app(&[("REQUEST_TIMEOUT_MS", "1000")]).await;
    for framing in ["Content-Length: 500", "Transfer-Encoding: chunked"] {
        let mut stream = connect(&app).await;
        let head = format!(
            "POST /api/users/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{framing}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
            .write_all(if framing.starts_with('C') { b"{" } else { b"1\r\n{\r\n" })
            .await
            .unwrap();
        let text = rest(&mut stream).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
        assert!(head.contains("connection: close"), "{head}");
        let problem: Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["type"], "/problems/body-timeout");
    }
    app.finish().await;
}

/// A connection that was closed with something unread would be reset, and the answer be lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_too_much_hears_it() {
    let app = app(&[]).await;
    for (path, content_type, status) in [
        ("/api/users/login", "application/json", 413),
        ("/api/users/login", "text/plain", 415),
        ("/api/users/import", "application/json", 401),
        ("/nowhere", "application/json", 404),
    ] {
        let mut stream = connect(&app).await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n\
             Content-Length: 200000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b' '; 200_000]).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut text = String::new();
        let ended = time::timeout(wait::PATIENCE, stream.read_to_string(&mut text)).await;
        ended.expect("the connection ends").expect("and is not reset");
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {text}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_listen_is_cut_off() {
    let app = app(&[("CONNECTIONS_WRITE_TIMEOUT_MS", "300")]).await;
    let mut stream = connect(&app).await;
    // More than any buffer between the two holds.
    let page = "GET /swagger HTTP/1.1\r\nHost: lunation\r\n\r\n";
    stream.write_all(page.repeat(40).as_bytes()).await.unwrap();
    wait::until("the connection to be cut", || async {
        (cuts(&app, "write").await >= 1).then_some(())
    })
    .await;
    drop(stream);
    app.finish().await;
}

/// By the windows of its own a client of HTTP/2 can leave an answer untaken without the connection being
/// full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_makes_no_room_for_an_answer_of_http2_is_cut_off() {
    let bounds = ["HEAD", "IDLE", "WRITE"].map(|of| format!("CONNECTIONS_{of}_TIMEOUT_MS"));
    let bounds = bounds.each_ref().map(|name| (name.as_str(), "1000"));
    let app = app(&bounds).await;
    let mut stream = connect(&app).await;
    // A window of 0 for each stream (RFC 9113 §6.5.2), and `GET /` (RFC 7541).
    let settings = b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0";
    let ask = b"\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01x";
    stream.write_all(&[HTTP2, settings, ask].concat()).await.unwrap();
    rest(&mut stream).await;
    assert_eq!((cuts(&app, "write").await, cuts(&app, "idle").await), (1, 0));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_may_follow_each_other_and_heads_are_bounded() {
    let app = app(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    // Two at once, and the answers in their order.
    let last =
        ASK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").replace("internal", "nowhere");
    let mut stream = connect(&app).await;
    stream.write_all(format!("{ASK}{last}").as_bytes()).await.unwrap();
    let text = rest(&mut stream).await;
    let first = text.find("HTTP/1.1 200 ").expect("the first answer");
    assert!(text.find("HTTP/1.1 404 ").is_some_and(|second| first < second), "{text}");

    let many = (0..200).map(|n| format!("X-{n}: a\r\n")).collect::<Vec<_>>().concat();
    for (request, status) in [
        (format!("GET / HTTP/1.1\r\nX-Long: {}\r\n\r\n", "a".repeat(16 * 1024)), 431),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), 431),
        (format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(16 * 1024)), 431),
        (
            format!(
                "GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                "a".repeat(12 * 1024)
            ),
            414,
        ),
        (
            format!("GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "a".repeat(4095)),
            404,
        ),
    ] {
        let mut stream = connect(&app).await;
        let _cut_short = stream.write_all(request.as_bytes()).await;
        let text = rest(&mut stream).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {text:.100}");
        assert!(!text.contains("server:"), "{text}");
    }
    // Whoever came by TLS to a proxy of ours is told to do so ever after, and nobody else.
    for (proto, told) in [("https", true), ("http", false)] {
        let mut stream = connect(&app).await;
        let asked = last.replace("Host:", &format!("X-Forwarded-Proto: {proto}\r\nHost:"));
        stream.write_all(asked.as_bytes()).await.unwrap();
        let text = rest(&mut stream).await;
        assert_eq!(
            text.contains("\r\nstrict-transport-security: max-age=31536000\r\n"),
            told,
            "{text}"
        );
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_has_all_places() {
    for (proxies, reason) in [("", "address"), ("127.0.0.0/8", "total")] {
        let total = if reason == "total" { "3" } else { "100" };
        let app = app(&[
            ("CONNECTIONS_PER_ADDRESS_MAX", "3"),
            ("CONNECTIONS_TOTAL_MAX", total),
            ("TRUSTED_PROXIES", proxies),
        ])
        .await;
        let mut inside = Vec::new();
        for _ in 0..3 {
            let mut stream = connect(&app).await;
            stream.write_all(ASK.as_bytes()).await.unwrap();
            assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 "));
            inside.push(stream);
        }
        // Who has asked already hears it, too: the connection ends, and is not reset.
        let (mut outside, mut text) = (connect(&app).await, String::new());
        outside.write_all(ASK.as_bytes()).await.unwrap();
        let ended = time::timeout(wait::PATIENCE, outside.read_to_string(&mut text)).await;
        ended.expect("the connection ends").expect("and is not reset");
        assert!(text.starts_with("HTTP/1.1 503 "), "{reason}: {text:?}");
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let problem: Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["type"], "/problems/overloaded");
        let request_id = problem["request_id"].as_str().unwrap();
        assert!(head.contains(&format!("\r\nx-request-id: {request_id}\r\n")), "{head}");
        let refused = format!("http_connections_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(metric(&app, &refused).await, 1);

        // Those inside are served on, and a place that is left is free.
        inside[0].write_all(ASK.as_bytes()).await.unwrap();
        assert!(answer(&mut inside[0]).await.starts_with("HTTP/1.1 200 "));
        inside.pop();
        wait::until("a place", || async {
            let mut stream = connect(&app).await;
            let _refused_meanwhile = stream.write_all(ASK.as_bytes()).await;
            let mut status = [0; 12];
            let read = time::timeout(wait::PATIENCE, stream.read_exact(&mut status)).await;
            (read.is_ok_and(|read| read.is_ok()) && status.ends_with(b"200")).then_some(())
        })
        .await;
        app.finish().await;
    }
}
