//! How connections are served: hyper under bounds that it does not have by itself. Nobody holds a
//! connection by saying nothing, by saying it slowly, or by not listening; nobody has all of them.
//!
//! poem's own server leaves heads of 400 KB and waits for the rest of one for ever. What is read into a
//! body is bounded where bodies are read (`api/src/body.rs`).

mod admission;
mod answer;
mod farewell;
mod pace;
#[cfg(test)]
mod tests;

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use poem::{
    Endpoint, Response,
    http::uri::Scheme,
    listener::Acceptor,
    web::{LocalAddr, RemoteAddr},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::config::Connections;
use admission::{Admission, Place};
use answer::Answer;
use farewell::Farewells;
pub(crate) use pace::Breakable;

/// The largest head of a request, in bytes; a larger one is answered 431.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Requests of one HTTP/2 connection at once.
const STREAMS_MAX: u32 = 100;
/// Requests of one HTTP/2 connection that were taken back before they were looked at; then it is cut.
const RESETS_MAX: usize = 20;
/// File descriptors that are no connections of clients.
const OTHER_FILES: u64 = 512;
/// How long nobody is let in after the system had no room for one more: file descriptors, memory.
const NO_ROOM_PAUSE: Duration = Duration::from_millis(100);
/// Lets this process have a file descriptor for each place, as far as the system does: many systems begin
/// with 1,024.
pub(crate) fn make_room(bounds: &Connections) {
    let wanted = u64::try_from(bounds.total_max).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return;
    }
    let possible = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(possible), maximum });
    if raised.is_err() || possible < wanted {
        tracing::warn!(
            wanted,
            "there are fewer file descriptors than places: raise the limit of open files, or lower \
             connections.total_max"
        );
    }
}

/// Serves an endpoint until `stop` ends; then connections end with the answers that are under way, and
/// are cut after `drain_wait`.
pub(crate) async fn serve<A, E>(
    mut acceptor: A,
    endpoint: E,
    bounds: &Connections,
    stop: impl Future<Output = ()>,
    drain_wait: Duration,
) where
    A: Acceptor<Io: Breakable>,
    E: Endpoint<Output = Response> + 'static,
{
    let server = Arc::new(Server {
        endpoint,
        bounds: bounds.clone(),
        stopping: CancellationToken::new(),
        over: CancellationToken::new(),
    });
    let admission = Admission::new(bounds);
    let (connections, farewells) = (TaskTracker::new(), Farewells::new());
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = acceptor.accept() => accepted,
        };
        match accepted {
            Ok((stream, local, remote, scheme)) => match admission.admit(&remote) {
                Ok(place) => {
                    let server = Arc::clone(&server);
                    let peers = Peers { local, remote, scheme };
                    connections.spawn(server.connection(stream, peers, place));
                }
                Err(refused) => {
                    let reason = refused.name();
                    metrics::counter!("http_connections_refused_total", "reason" => reason)
                        .increment(1);
                    if let Some(telling) = farewells.tell(stream) {
                        connections.spawn(server.over.clone().run_until_cancelled_owned(telling));
                    }
                }
            },
            // Whoever left before they were taken.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be taken");
                time::sleep(NO_ROOM_PAUSE).await;
            }
        }
    }
    drop(acceptor);
    server.stopping.cancel();
    connections.close();
    if time::timeout(drain_wait, connections.wait()).await.is_err() {
        tracing::info!(connections = connections.len(), "cutting what did not end in time");
        server.over.cancel();
        connections.wait().await;
    }
}

/// Who speaks with whom, and how.
#[derive(Clone)]
struct Peers {
    local: LocalAddr,
    remote: RemoteAddr,
    scheme: Scheme,
}

/// What all connections share.
struct Server<E> {
    endpoint: E,
    bounds: Connections,
    /// No connection takes another request.
    stopping: CancellationToken,
    /// Nobody is waited for any more.
    over: CancellationToken,
}

impl<E: Endpoint<Output = Response> + 'static> Server<E> {
    async fn connection(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Breakable + Send + Unpin + 'static,
        peers: Peers,
        place: Place,
    ) {
        let (stream, course) = pace::watched(stream, &self.bounds, self.stopping.clone());
        let server = Arc::clone(&self);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let (server, busy) = (Arc::clone(&server), course.begin(request.version()));
            let Peers { local, remote, scheme } = peers.clone();
            async move {
                let request = (request, local, remote, scheme).into();
                let response: hyper::Response<_> =
                    server.endpoint.get_response(request).await.into();
                Ok::<_, Infallible>(response.map(|body| Answer::new(body, busy)))
            }
        });
        let builder = builder();
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        // How it ended is nobody's business: a client that leaves is no fault.
        let until_ended = async {
            tokio::select! {
                _ended = &mut connection => {}
                () = self.stopping.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let _ended = connection.await;
                }
            }
        };
        tokio::select! {
            () = until_ended => {}
            () = self.over.cancelled() => {}
        }
        drop(place);
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX));
    builder
}
