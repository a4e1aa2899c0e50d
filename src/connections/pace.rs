//! How long nothing may happen on a connection. It is told of requests by the server, and of bytes by
//! being between the two.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use poem::http::Version;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::config::Connections;

/// What is under way on a connection.
#[derive(Clone)]
pub(super) struct Pace(Arc<Mutex<State>>);

/// A request under way, until its answer was handed over.
pub(super) struct Busy(Pace);

struct State {
    requests: usize,
    /// What is waited for while there are none.
    awaited: Awaited,
    since: Instant,
    is_http2: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// The first byte, or the rest of a head that has begun.
    Head,
    /// Another request.
    Another,
}

/// A stream on which something has to happen now and then.
pub(super) struct Watched<S> {
    stream: S,
    pace: Pace,
    head_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    /// Rings when it has to be looked whether somebody was silent for too long.
    alarm: Pin<Box<Sleep>>,
    /// Rings when a client has taken nothing for too long.
    stall: Option<Pin<Box<Sleep>>>,
    is_cut: bool,
}

/// A stream that breaks off when nothing happens on it, and what it has to be told.
pub(super) fn watched<S>(stream: S, bounds: &Connections) -> (Watched<S>, Pace) {
    let since = Instant::now();
    let state = State { requests: 0, awaited: Awaited::Head, since, is_http2: false };
    let pace = Pace(Arc::new(Mutex::new(state)));
    let watched = Watched {
        stream,
        pace: pace.clone(),
        head_timeout: bounds.head_timeout,
        idle_timeout: bounds.idle_timeout,
        write_timeout: bounds.write_timeout,
        alarm: Box::pin(sleep_until(since + bounds.head_timeout)),
        stall: None,
        is_cut: false,
    };
    (watched, pace)
}

impl Pace {
    /// A head has arrived.
    pub(super) fn begin(&self, version: Version) -> Busy {
        self.change(|state| {
            state.requests += 1;
            state.is_http2 = version == Version::HTTP_2;
        });
        Busy(self.clone())
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.change(|state| {
            state.requests = state.requests.saturating_sub(1);
            state.awaited = Awaited::Another;
            state.since = Instant::now();
        });
    }
}

impl<S> Watched<S> {
    /// Bytes came. On HTTP/2 they need not be the begin of a head: there the silence between requests
    /// is all that counts.
    fn heard(&self) {
        self.pace.change(|state| {
            if state.requests == 0 && state.awaited == Awaited::Another && !state.is_http2 {
                state.awaited = Awaited::Head;
                state.since = Instant::now();
            }
        });
    }

    /// Until when something has to happen, and what it is called if it does not.
    fn deadline(&self) -> (Instant, &'static str) {
        self.pace.change(|state| match state.awaited {
            // Nobody has to say anything while they are being answered.
            _ if state.requests > 0 => (Instant::now() + self.idle_timeout, "idle"),
            Awaited::Head => (state.since + self.head_timeout, "head"),
            Awaited::Another => (state.since + self.idle_timeout, "idle"),
        })
    }

    /// Ready when the client has been silent for too long. The alarm is never put off, but set anew when
    /// it has rung too early: that is seldom, and bytes come often.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let (deadline, reason) = self.deadline();
            if deadline < self.alarm.deadline() {
                self.alarm.as_mut().reset(deadline);
            }
            ready!(self.alarm.as_mut().poll(context));
            if deadline <= Instant::now() {
                return Poll::Ready(self.cut(reason));
            }
            self.alarm.as_mut().reset(deadline);
        }
    }

    /// What came of writing: an error if the client has taken nothing for too long.
    fn poll_stall<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let write_timeout = self.write_timeout;
        let stall =
            self.stall.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + write_timeout)));
        ready!(stall.as_mut().poll(context));
        Poll::Ready(Err(self.cut("write")))
    }

    /// Counted once, however often hyper asks.
    fn cut(&mut self, reason: &'static str) -> io::Error {
        if !std::mem::replace(&mut self.is_cut, true) {
            metrics::counter!("http_connections_cut_total", "reason" => reason).increment(1);
        }
        io::ErrorKind::TimedOut.into()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.heard();
            return read;
        }
        self.poll_silence(context).map(Err)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.poll_stall(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.poll_stall(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.poll_stall(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.poll_stall(context, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        time,
    };

    use super::*;

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
        let (server, pace) = watched(server, &bounds);
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
}
