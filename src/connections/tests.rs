//! Connections served as a whole, by whoever takes an answer slowly, or not to its end.

use std::net::SocketAddr;

use futures::{StreamExt as _, stream};
use poem::{Body, endpoint::make_sync, listener::TcpAcceptor};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    net::{TcpListener, TcpStream},
};

use super::*;

fn bounds() -> Connections {
    Connections {
        total_max: 10,
        per_address_max: 10,
        uncounted: Vec::new(),
        head_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_mins(1),
        write_timeout: Duration::from_secs(30),
    }
}

/// A document that came as one piece, and takes longer than there may be silence between two requests.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_the_whole_of_an_answer() {
    const LENGTH: usize = 400_000;
    const A_SECOND: usize = 4_000;
    let server = Arc::new(Server {
        endpoint: make_sync(|_| Response::builder().body(vec![b'x'; LENGTH])),
        bounds: bounds(),
        stopping: CancellationToken::new(),
        over: CancellationToken::new(),
    });
    let nobody = SocketAddr::from(([192, 0, 2, 7], 4711));
    let remote = RemoteAddr(nobody.into());
    let place = Admission::new(&bounds()).admit(&remote).unwrap();
    let peers = Peers { local: LocalAddr(nobody.into()), remote, scheme: Scheme::HTTP };
    let (mut client, stream) = duplex(A_SECOND);
    let reading = async move {
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let (mut bytes, mut piece) = (Vec::<u8>::new(), [0; A_SECOND]);
        while bytes.len() < LENGTH {
            time::sleep(Duration::from_secs(1)).await;
            let read = client.read(&mut piece).await.unwrap();
            assert!(read > 0, "cut off after {} bytes", bytes.len());
            bytes.extend(&piece[..read]);
        }
    };
    tokio::join!(server.connection(stream, peers, place), reading);
}

/// HTTP/1.0, which some proxies speak, has no other end of an answer of unknown length than that of the
/// connection.
#[tokio::test]
async fn an_answer_that_breaks_off_is_no_whole_one_in_any_version() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = make_sync(|_| {
        let ending = async {
            // What was there before is sent meanwhile.
            tokio::task::yield_now().await;
            Err(io::Error::other("broken off"))
        };
        let pieces = stream::iter([Ok("begun")]).chain(stream::once(ending));
        Response::builder().body(Body::from_bytes_stream(pieces))
    });
    let stop = CancellationToken::new();
    let (entrance, bounds) = (TcpAcceptor::from_tokio(listener).unwrap(), bounds());
    let serving = serve(entrance, endpoint, &bounds, stop.cancelled(), Duration::ZERO);
    let asking = async {
        let ask = async |version: &str| {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(format!("GET / HTTP/{version}\r\n\r\n").as_bytes()).await.unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.map(|_| String::from_utf8(bytes).unwrap())
        };
        let reset = ask("1.0").await.unwrap_err();
        assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
        let chunks = ask("1.1").await.unwrap();
        assert!(chunks.contains("begun") && !chunks.ends_with("0\r\n\r\n"), "{chunks}");
        stop.cancel();
    };
    tokio::join!(serving, asking);
}
