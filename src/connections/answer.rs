//! The body of an answer on its way to its client.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use hyper::body::{Body, Bytes, Frame, SizeHint};

use super::pace::Busy;

/// What is handed over at once. It counts as taken, so this is how much of an answer is not waited for.
const PIECE_BYTES_MAX: usize = 64 * 1024;
/// The same on HTTP/2: a frame, for which each client has to make room in time.
const PIECE_BYTES_MAX_HTTP2: usize = 16 * 1024;

/// A body; as long as it is there, the connection is busy.
pub(super) struct Answer<B> {
    body: B,
    /// What was read of it and is not handed over yet.
    rest: Bytes,
    busy: Busy,
}

impl<B> Answer<B> {
    /// Nothing of it was handed over yet.
    pub(super) fn new(body: B, busy: Busy) -> Self {
        Self { body, rest: Bytes::new(), busy }
    }

    /// hyper takes a piece over HTTP/2 into its memory as soon as the client has room for a byte of it. So
    /// the last byte goes by itself: then an answer is under way until there is room for all of it.
    fn piece(&mut self) -> Bytes {
        let length = self.rest.len();
        let most = match self.busy.is_http2() {
            true if length > 1 => PIECE_BYTES_MAX_HTTP2.min(length - 1),
            true => length,
            false => PIECE_BYTES_MAX.min(length),
        };
        self.rest.split_to(most)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Poll::Ready(Some(Err(error))) => {
                    self.busy.breaks_off();
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    self.busy.has_nothing_to_take();
                    return Poll::Pending;
                }
            }
        }
        let piece = self.piece();
        self.busy.has_something_to_take();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}
