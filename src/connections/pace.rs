//! How long nothing may happen on a connection. It is told of requests by the server, and of bytes by
//! being between the two.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use poem::http::Version;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::config::Connections;

/// How long whoever is still sending, after all was answered that will be, may go on.
const LINGER: Duration = Duration::from_secs(2);
/// How often what they send is looked for before it is the others' turn.
const PASSING_AT_ONCE: usize = 64;

/// What is under way on a connection.
#[derive(Clone)]
pub(super) struct Pace(Arc<Mutex<State>>);

/// A request under way, until its answer was handed over.
pub(super) struct Busy {
    pace: Pace,
    number: u64,
    version: Version,
}

struct State {
    requests: usize,
    /// How many there were.
    number: u64,
    /// Since when answers have something that a client of HTTP/2 does not make room for. It may do so for
    /// each by itself, so the stream does not show it.
    untaken: BTreeMap<u64, Instant>,
    /// Whether the end of the connection must not pass for that of the answer.
    is_broken: bool,
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

/// What can end so that the other side knows it for no end.
pub(crate) trait Breakable {
    /// When this is dropped, the other side is told that something went wrong.
    fn break_off(&self);
}

impl Breakable for TcpStream {
    fn break_off(&self) {
        if let Err(error) = self.set_zero_linger() {
            tracing::warn!(%error, "an answer that was broken off may pass for a whole one");
        }
    }
}

/// A stream on which something has to happen now and then.
pub(super) struct Watched<S: Breakable> {
    stream: S,
    pace: Pace,
    head_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    /// Rings when it has to be looked whether somebody was silent for too long.
    alarm: Pin<Box<Sleep>>,
    /// Rings when a client has taken nothing for too long.
    stall: Option<Pin<Box<Sleep>>>,
    /// Rings when somebody has been sending for too long after the end.
    linger: Option<Pin<Box<Sleep>>>,
    stopping: CancellationToken,
    is_cut: bool,
}

/// A stream that breaks off when nothing happens on it, and what it has to be told.
/// While `stopping`, nobody is waited for who is still sending.
pub(super) fn watched<S: Breakable>(
    stream: S,
    bounds: &Connections,
    stopping: CancellationToken,
) -> (Watched<S>, Pace) {
    let since = Instant::now();
    let state = State {
        requests: 0,
        number: 0,
        untaken: BTreeMap::new(),
        is_broken: false,
        awaited: Awaited::Head,
        since,
        is_http2: false,
    };
    let pace = Pace(Arc::new(Mutex::new(state)));
    let watched = Watched {
        stream,
        pace: pace.clone(),
        head_timeout: bounds.head_timeout,
        idle_timeout: bounds.idle_timeout,
        write_timeout: bounds.write_timeout,
        alarm: Box::pin(sleep_until(since + bounds.head_timeout)),
        stall: None,
        linger: None,
        stopping,
        is_cut: false,
    };
    (watched, pace)
}

impl Pace {
    /// A head has arrived.
    pub(super) fn begin(&self, version: Version) -> Busy {
        let number = self.change(|state| {
            state.requests += 1;
            state.number += 1;
            state.is_http2 = version == Version::HTTP_2;
            state.number
        });
        Busy { pace: self.clone(), number, version }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Busy {
    /// Whether other requests may be under way beside it.
    pub(super) fn is_http2(&self) -> bool {
        self.version == Version::HTTP_2
    }

    /// It is the client's turn. (On HTTP/1 whoever takes nothing is seen by the stream.)
    pub(super) fn has_something_to_take(&self) {
        if self.is_http2() {
            self.pace.change(|state| state.untaken.insert(self.number, Instant::now()));
        }
    }

    /// It is ours.
    pub(super) fn has_nothing_to_take(&self) {
        self.pace.change(|state| state.untaken.remove(&self.number));
    }

    /// The answer has no end. Before HTTP/1.1, the end of the connection would be taken for it.
    pub(super) fn breaks_off(&self) {
        if self.version < Version::HTTP_11 {
            self.pace.change(|state| state.is_broken = true);
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.pace.change(|state| {
            state.untaken.remove(&self.number);
            state.requests = state.requests.saturating_sub(1);
            state.awaited = Awaited::Another;
            state.since = Instant::now();
        });
    }
}

impl<S: Breakable> Watched<S> {
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
            // Nobody has to say anything while they are being answered, but to take the answer.
            _ if state.requests > 0 => match state.untaken.values().min() {
                Some(since) => (*since + self.write_timeout, "write"),
                None => (Instant::now() + self.idle_timeout, "idle"),
            },
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

impl<S: Breakable> Drop for Watched<S> {
    fn drop(&mut self) {
        if self.pace.change(|state| state.is_broken) {
            self.stream.break_off();
        }
    }
}

impl<S: AsyncRead + Breakable + Unpin> AsyncRead for Watched<S> {
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

impl<S: AsyncRead + Breakable + Unpin> Watched<S> {
    /// A connection that is closed while something is unread is reset, and whoever is still sending may
    /// never see the answer, which says why it is closed. So what they send is let pass by for a while.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let time =
            self.linger.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + LINGER)));
        let mut bytes = [0; 8_192];
        for _ in 0..PASSING_AT_ONCE {
            let mut passing = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(context, &mut passing) {
                Poll::Ready(Ok(())) if !passing.filled().is_empty() => {}
                Poll::Ready(_ended) => return Poll::Ready(()),
                Poll::Pending => return time.as_mut().poll(context),
            }
        }
        // There is more at once.
        context.waker().wake_by_ref();
        time.as_mut().poll(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Breakable + Unpin> AsyncWrite for Watched<S> {
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
        if self.linger.is_none() {
            let shut = Pin::new(&mut self.stream).poll_shutdown(context);
            ready!(self.poll_stall(context, shut))?;
        }
        if self.stopping.is_cancelled() {
            return Poll::Ready(Ok(()));
        }
        self.poll_linger(context).map(Ok)
    }
}
