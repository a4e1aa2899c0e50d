//! How connections come in, and how that ends without breaking any.
//!
//! When a listener closes, the kernel breaks what it has connected and nobody has taken yet; and
//! hyper, when told to finish, closes what it has read nothing from yet. Both are requests that
//! their client has sent or is about to send. So a process that stops first lets nobody in any
//! more, takes everybody who is in, and waits until each has been heard; only then hyper is told.
//!
//! What remains is a connection that has been used before and is idle: a client that sends the
//! next request at the very moment at which it is closed cannot know whether it arrived (RFC 9112,
//! section 9.6). While a process stops its answers say `Connection: close`, so that whoever is
//! busy leaves before.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use poem::{
    http::uri::Scheme,
    listener::Acceptor,
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time,
};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use crate::connections::Breakable;

/// How long a handshake that has begun may need to end: more than a round trip to a proxy, and
/// less than somebody notices who presses Ctrl-C.
const HANDSHAKE_TIME: Duration = Duration::from_millis(50);
/// How long somebody who has connected may take to say something: in steps, so that a process that
/// was kept from running has not used up the patience for those who have spoken meanwhile.
const PATIENCE_STEP: Duration = Duration::from_millis(50);
const PATIENCE_STEPS: usize = 20;

/// Connections come in here until the [`Door`] is closed.
pub(crate) struct Entrance {
    listener: Option<Arc<TcpListener>>,
    address: LocalAddr,
    progress: Progress,
}

/// Closes the [`Entrance`].
pub(crate) struct Door {
    listener: Arc<TcpListener>,
    progress: Progress,
}

/// How far the two have got.
#[derive(Clone)]
struct Progress {
    /// Nobody new can be waiting: when the queue is empty, it stays so.
    last_call: CancellationToken,
    /// The listener is closed.
    closed: CancellationToken,
    /// Counts who has come in and said nothing yet.
    unheard: TaskTracker,
}

/// The entrance of a listener, and its door.
///
/// # Errors
/// The listener has no address.
pub(crate) fn entrance(listener: TcpListener) -> io::Result<(Entrance, Door)> {
    let address = LocalAddr(listener.local_addr()?.into());
    let listener = Arc::new(listener);
    let progress = Progress {
        last_call: CancellationToken::new(),
        closed: CancellationToken::new(),
        unheard: TaskTracker::new(),
    };
    let door = Door { listener: Arc::clone(&listener), progress: progress.clone() };
    Ok((Entrance { listener: Some(listener), address, progress }, door))
}

impl Door {
    /// Lets nobody in any more, and resolves when everybody who was in has been heard or has had
    /// the time to speak. The entrance has to be asked for connections meanwhile.
    pub(crate) async fn close(self) {
        let Self { listener, progress } = self;
        if let Err(error) = keep_out(&listener) {
            tracing::warn!(%error, "who connects at this moment may be cut off");
        }
        drop(listener);
        time::sleep(HANDSHAKE_TIME).await;
        progress.last_call.cancel();
        let all_heard = async {
            progress.closed.cancelled().await;
            progress.unheard.close();
            progress.unheard.wait().await;
        };
        tokio::pin!(all_heard);
        for _ in 0..PATIENCE_STEPS {
            if time::timeout(PATIENCE_STEP, &mut all_heard).await.is_ok() {
                return;
            }
        }
        tracing::info!(connections = progress.unheard.len(), "closing what nobody spoke on");
    }
}

impl Acceptor for Entrance {
    type Io = Arrival;

    fn local_addr(&self) -> Vec<LocalAddr> {
        vec![self.address.clone()]
    }

    async fn accept(&mut self) -> io::Result<(Arrival, LocalAddr, RemoteAddr, Scheme)> {
        if let Some(listener) = &self.listener {
            tokio::select! {
                // Who waits in the queue goes before the end.
                biased;
                taken = listener.accept() => {
                    let (stream, from) = taken?;
                    let arrival = Arrival { stream, unheard: Some(self.progress.unheard.token()) };
                    let address = self.address.clone();
                    return Ok((arrival, address, RemoteAddr(from.into()), Scheme::HTTP));
                }
                () = self.progress.last_call.cancelled() => {}
            }
        }
        self.listener = None;
        self.progress.closed.cancel();
        // Those who are in are served on; whoever waits for one more waits until the end.
        std::future::pending().await
    }
}

/// A connection that has come in, and counts as unheard until something was read from it.
pub(crate) struct Arrival {
    stream: TcpStream,
    unheard: Option<TaskTrackerToken>,
}

impl AsyncRead for Arrival {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.unheard = None;
        }
        read
    }
}

impl AsyncWrite for Arrival {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Breakable for Arrival {
    fn break_off(&self) {
        self.stream.break_off();
    }
}

/// From now on the kernel overhears whoever asks for a connection, as if the packet had been lost:
/// they ask again after a second, and are refused, or find the process that listens by then.
/// Handshakes that have begun go on. (A queue of length 0 would do neither: it has room for one, and
/// when that is taken, whoever is half through their handshake is broken.)
#[cfg(target_os = "linux")]
fn keep_out(listener: &TcpListener) -> io::Result<()> {
    use socket2::{SockFilter, SockRef};

    // Classic BPF as in linux/filter.h, over the TCP header: load the byte of flags, keep SYN and
    // ACK of it, and drop the packet if it is SYN alone.
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const FLAGS_OFFSET: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS_OFFSET),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

/// Elsewhere there is no such means, and who comes between the last look into the queue and the
/// end of the listener is cut off.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail on Linux")]
fn keep_out(_listener: &TcpListener) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{io::ErrorKind, net::SocketAddr};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        time::Instant,
    };

    use super::*;

    async fn opened() -> (Entrance, Door, SocketAddr) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (entrance, door) = entrance(listener).unwrap();
        (entrance, door, address)
    }

    /// Closes the door while everybody who comes in is taken.
    async fn close(entrance: &mut Entrance, door: Door) -> Vec<Arrival> {
        let mut taken = Vec::new();
        let closing = door.close();
        tokio::pin!(closing);
        loop {
            tokio::select! {
                () = &mut closing => return taken,
                arrival = entrance.accept() => taken.push(arrival.unwrap().0),
            }
        }
    }

    #[tokio::test]
    async fn who_waits_is_taken_and_nobody_after_that() {
        let (mut entrance, door, address) = opened().await;
        let mut waiting = Vec::new();
        for _ in 0..20 {
            waiting.push(TcpStream::connect(address).await.unwrap());
        }
        let taken = close(&mut entrance, door).await;
        assert_eq!(taken.len(), waiting.len());
        let refused = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        for (mut arrival, mut client) in taken.into_iter().zip(waiting) {
            client.write_all(b"?").await.unwrap();
            assert_eq!(arrival.read_u8().await.unwrap(), b'?');
            arrival.write_all(b"!").await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), b'!');
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn handshakes_that_have_begun_go_on_and_new_ones_are_overheard() {
        let (mut entrance, door, address) = opened().await;
        let before = TcpStream::connect(address).await.unwrap();
        keep_out(entrance.listener.as_ref().unwrap()).unwrap();
        let mut after = Box::pin(TcpStream::connect(address));
        let (_, _, from, _) = tokio::select! {
            biased;
            connected = &mut after => panic!("{connected:?}"),
            taken = entrance.accept() => taken.unwrap(),
        };
        assert_eq!(from.as_socket_addr(), before.local_addr().ok().as_ref());
        drop((entrance, door));
        assert_eq!(after.await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_process_waits_for_nobody() {
        let (mut entrance, door, address) = opened().await;
        let mut client = TcpStream::connect(address).await.unwrap();
        let (mut heard, _, _, _) = entrance.accept().await.unwrap();
        client.write_all(b"?").await.unwrap();
        heard.read_u8().await.unwrap();
        let begun = Instant::now();
        assert!(close(&mut entrance, door).await.is_empty());
        assert!(begun.elapsed() <= 2 * HANDSHAKE_TIME, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn patience_with_those_who_say_nothing_ends() {
        let (mut entrance, door, address) = opened().await;
        let silent = TcpStream::connect(address).await.unwrap();
        let (unheard, _, _, _) = entrance.accept().await.unwrap();
        let begun = Instant::now();
        assert!(close(&mut entrance, door).await.is_empty());
        let patience = PATIENCE_STEP * u32::try_from(PATIENCE_STEPS).unwrap();
        assert!(begun.elapsed() >= patience, "{:?}", begun.elapsed());
        drop((silent, unheard));
    }

    #[tokio::test]
    async fn it_ends_when_the_last_has_spoken_or_left() {
        let (mut entrance, door, address) = opened().await;
        let (speaks, leaves) = (TcpStream::connect(address), TcpStream::connect(address));
        let (mut speaks, leaves) = (speaks.await.unwrap(), leaves.await.unwrap());
        let (mut first, _, _, _) = entrance.accept().await.unwrap();
        let (mut second, _, _, _) = entrance.accept().await.unwrap();
        let unheard = door.progress.unheard.clone();
        assert_eq!(unheard.len(), 2);
        speaks.write_all(b"?").await.unwrap();
        first.read_u8().await.unwrap();
        assert_eq!(unheard.len(), 1);
        drop(leaves);
        assert_eq!(second.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(unheard.len(), 0);
        close(&mut entrance, door).await;
        let gone = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::ConnectionRefused);
    }
}
