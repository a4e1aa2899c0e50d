//! The pace of a connection, on a clock that stands still.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    time,
};

use super::*;

impl Breakable for DuplexStream {
    fn break_off(&self) {}
}

fn connected() -> (DuplexStream, Watched<DuplexStream>, Pace) {
    let (client, server) = duplex(16);
    let bounds = Connections {
        total_max: 1,
        per_address_max: 1,
        uncounted: Vec::new(),
        head_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_mins(1),
        write_timeout: Duration::from_secs(30),
    };
    let (server, pace) = watched(server, &bounds, CancellationToken::new());
    (client, server, pace)
}

/// After how many seconds reading breaks off.
async fn cut_after(server: &mut Watched<DuplexStream>) -> u64 {
    let begun = Instant::now();
    loop {
        match server.read_u8().await {
            Ok(_byte) => {}
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                return begun.elapsed().as_secs();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_or_says_it_slowly_is_cut_off() {
    let (_client, mut server, _pace) = connected();
    assert_eq!(cut_after(&mut server).await, 10);
    let (mut client, mut server, _pace) = connected();
    let slow = async {
        loop {
            client.write_all(b"a").await.unwrap();
            time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        after = cut_after(&mut server) => assert_eq!(after, 10),
        () = slow => {}
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_being_answered_may_be_silent() {
    let (_client, mut server, pace) = connected();
    let busy = pace.begin(Version::HTTP_11);
    let mut reading = Box::pin(cut_after(&mut server));
    assert!(time::timeout(Duration::from_mins(10), &mut reading).await.is_err());
    drop(busy);
    let cut = reading.await;
    // A minute later, or when it is looked the next time.
    assert!((660..=720).contains(&cut), "{cut}");
}

#[tokio::test(start_paused = true)]
async fn between_two_requests_there_is_more_time_than_for_a_head() {
    let (mut client, mut server, pace) = connected();
    drop(pace.begin(Version::HTTP_11));
    assert_eq!(cut_after(&mut server).await, 60);
    drop(pace.begin(Version::HTTP_11));
    client.write_all(b"G").await.unwrap();
    assert_eq!(cut_after(&mut server).await, 10);
}

#[tokio::test(start_paused = true)]
async fn frames_of_http2_are_no_heads() {
    let (mut client, mut server, pace) = connected();
    drop(pace.begin(Version::HTTP_2));
    client.write_all(b"ping").await.unwrap();
    assert_eq!(cut_after(&mut server).await, 60);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_an_answer_of_http2_untaken_is_cut_off() {
    let (_client, mut server, pace) = connected();
    let (stays, taken) = (pace.begin(Version::HTTP_2), pace.begin(Version::HTTP_2));
    // What others take on the same connection does not help.
    let others = async {
        stays.has_something_to_take();
        loop {
            taken.has_something_to_take();
            time::sleep(Duration::from_secs(1)).await;
            taken.has_nothing_to_take();
        }
    };
    tokio::select! {
        biased;
        () = others => {}
        // 30 seconds, or when it is looked the next time.
        after = cut_after(&mut server) => assert!((30..=60).contains(&after), "{after}"),
    }
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_is_cut_off() {
    let (mut client, mut server, _pace) = connected();
    let begun = Instant::now();
    let error = server.write_all(&[0; 100]).await.unwrap_err();
    assert_eq!((error.kind(), begun.elapsed().as_secs()), (io::ErrorKind::TimedOut, 30));
    // Who takes something now and then has the same time again.
    let (mut slow, mut server, _pace) = connected();
    let taking = async {
        for _ in 0..5 {
            time::sleep(Duration::from_secs(29)).await;
            slow.read_exact(&mut [0; 16]).await.unwrap();
        }
    };
    let (written, ()) = tokio::join!(server.write_all(&[0; 80]), taking);
    written.unwrap();
    client.read_u8().await.unwrap();
}
