//! What an HTTP client would not send by itself: bodies without a length, of a wrong length, too
//! large, compressed.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{MARK, Standing, says_nothing};
use crate::harness::App;

/// The largest body, in bytes.
const LARGEST: usize = 64 * 1024;
/// What gzip makes of `{}`.
const GZIPPED: &[u8] =
    &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0xae, 5, 0, 0x43, 0xbf, 0xa6, 0xa3, 2, 0, 0, 0];

/// Every case, each on a connection of its own.
pub(super) async fn all(app: &App, standing: &Standing) {
    let token = &standing.person.token;
    let sent = |head: &str, body: &[u8]| {
        let mut bytes = format!(
            "POST /api/cycles/cycles HTTP/1.1\r\nHost: lunation\r\nAuthorization: Bearer {token}\r\n\
             Connection: close\r\n{head}\r\n\r\n"
        )
        .into_bytes();
        bytes.extend(body);
        bytes
    };
    let json = "Content-Type: application/json";
    let chunked = format!("{json}\r\nTransfer-Encoding: chunked");
    let largest = padded(LARGEST);
    let too_large = padded(LARGEST + 1);
    let length = |body: &[u8]| format!("{json}\r\nContent-Length: {}", body.len());
    for (what, bytes, status) in [
        ("announced as too large", sent(&length(&too_large), &too_large), 413),
        (
            "announced as huge and never sent",
            sent(&format!("{json}\r\nContent-Length: 999999999999"), b""),
            413,
        ),
        ("too large without a length", sent(&chunked, &chunks(&too_large)), 413),
        ("as large as can be, in many chunks", sent(&chunked, &chunks(&largest)), 422),
        ("as large as can be", sent(&length(&largest), &largest), 422),
        (
            "compressed",
            sent(&format!("{}\r\nContent-Encoding: gzip", length(GZIPPED)), GZIPPED),
            415,
        ),
        ("compressed, and nobody says so", sent(&length(GZIPPED), GZIPPED), 400),
        ("empty chunks", sent(&chunked, b"0\r\n\r\n"), 400),
        ("no type", sent("Content-Length: 2", b"{}"), 415),
    ] {
        // Who ends their half of the connection is taken to have left.
        let (got, body) = answer(&mut sent_to(app, &bytes).await).await;
        assert_eq!(got, status, "{what}: {body}");
        let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["status"], status, "{what}");
        says_nothing(what, problem, None);
    }
    // Below the level of requests the answer is the HTTP library's; it is none of 5xx, and the
    // service goes on.
    for bytes in [
        sent("Content-Length: 5\r\nContent-Length: 6", b"{}"),
        sent("Content-Length: -1", b"{}"),
        sent("Transfer-Encoding: chunked\r\nContent-Length: 2", b"zz\r\n{}\r\n0\r\n\r\n"),
        sent(&chunked, b"ffffffffffffffffff\r\n{}"),
        sent(&format!("X-Long: {}", "a".repeat(1_000_000)), b""),
        b"GET /health HTTP/9.9\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        format!("GET /{MARK}\0 HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes(),
    ] {
        let mut stream = sent_to(app, &bytes).await;
        let _cut_short = stream.shutdown().await;
        let (got, body) = answer(&mut stream).await;
        assert!(got < 500 && !body.contains(MARK), "{got} {body}");
    }
}

/// JSON of so many bytes that is sound but for one member.
fn padded(length: usize) -> Vec<u8> {
    let head = br#"{"start_date":"2024-02-30""#;
    let mut body = head.to_vec();
    body.resize(length - 1, b' ');
    body.push(b'}');
    body
}

fn chunks(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(1_000) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

/// A connection of its own on which this was sent.
async fn sent_to(app: &App, request: &[u8]) -> TcpStream {
    let url = app.url();
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    // A server that has heard enough may close before all is sent.
    let _cut_short = stream.write_all(request).await;
    stream
}

/// The status and body of the answer; 0 if the connection was closed without one.
async fn answer(stream: &mut TcpStream) -> (u16, String) {
    let mut bytes = Vec::new();
    let _reset = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    (status.unwrap_or(0), body.unwrap_or_default())
}
