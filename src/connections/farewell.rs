//! What somebody hears who gets no connection.

use std::{io, sync::Arc, time::Duration};

use poem::Response;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::Semaphore,
    time,
};

/// Most of those who are told why at a time; the others are let go without a word.
const TOLD_AT_ONCE_MAX: usize = 64;
/// How long they may take to hear it.
const TIME_MAX: Duration = Duration::from_secs(1);

/// Tells those who are turned away why.
pub(super) struct Farewells(Arc<Semaphore>);

impl Farewells {
    /// Nobody is being told yet.
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(TOLD_AT_ONCE_MAX)))
    }

    /// The telling, if there is room for one more. How it ends is nobody's business.
    pub(super) fn tell<S>(&self, stream: S) -> Option<impl Future<Output = ()> + use<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let room = Arc::clone(&self.0).try_acquire_owned().ok()?;
        Some(async move {
            let _told_or_gone = time::timeout(TIME_MAX, tell(stream)).await;
            drop(room);
        })
    }
}

async fn tell(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    stream.write_all(&message(api::no_connection()).await).await?;
    stream.shutdown().await?;
    // Who closes a connection on which something is left unread resets it, and the client may never see
    // the answer.
    let mut unheard = [0; 1_024];
    while stream.read(&mut unheard).await? > 0 {}
    Ok(())
}

/// An answer as HTTP/1.1 has it.
async fn message(response: Response) -> Vec<u8> {
    let (head, body) = response.into_parts();
    let body = body.into_vec().await.unwrap_or_default();
    let mut message = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    for (name, value) in &head.headers {
        message.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    message.extend(format!("content-length: {}\r\n\r\n", body.len()).into_bytes());
    message.extend(body);
    message
}
