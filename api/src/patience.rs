//! A line on which nothing moves is closed, so that nobody holds many of them for nothing.
//!
//! Two things are looked at, with nothing between them and the socket's own TLS: that whoever has
//! connected says something that can be a request, and that whoever is answered takes the answer.
//! How long headers and bodies may take is said elsewhere, once it is known which protocol it is.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::limits::{HEADERS_WITHIN, TAKEN_WITHIN};

/// How an HTTP/2 connection begins (RFC 9113, 3.4). Until so many bytes are there, or others,
/// nobody knows which protocol it is, and nobody else looks at the time.
const PREFACE: usize = 24;

#[derive(Clone, Debug)]
pub struct Patient<A>(pub A);

impl<A, I, S> Accept<I, S> for Patient<A>
where
    A: Accept<I, S>,
    A::Future: Send + 'static,
{
    type Stream = Line<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let accepted = self.0.accept(stream, service);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            Ok((Line::new(stream), service))
        })
    }
}

/// One connection.
#[derive(Debug)]
pub struct Line<I> {
    line: I,
    /// Of what was read; counted up to the length of the preface.
    read: usize,
    begins: Option<Pin<Box<Sleep>>>,
    /// Since when an answer is not taken.
    stalls: Option<Pin<Box<Sleep>>>,
}

impl<I> Line<I> {
    fn new(line: I) -> Self {
        Self { line, read: 0, begins: Some(Box::pin(sleep(HEADERS_WITHIN))), stalls: None }
    }

    /// It takes what it is sent, or has not stalled for too long yet.
    fn moved<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        // Who is answered has asked for something.
        self.begins = None;
        if polled.is_ready() {
            self.stalls = None;
            return polled;
        }
        let stalls = self.stalls.get_or_insert_with(|| Box::pin(sleep(TAKEN_WITHIN)));
        ready!(stalls.as_mut().poll(context));
        Poll::Ready(Err(late("the answer is not taken")))
    }
}

fn late(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::TimedOut, what)
}

impl<I: AsyncRead + Unpin> AsyncRead for Line<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = bytes.filled().len();
        let polled = Pin::new(&mut self.line).poll_read(context, bytes);
        self.read = self.read.saturating_add(bytes.filled().len() - before);
        if self.read >= PREFACE {
            self.begins = None;
        }
        match (&mut self.begins, polled) {
            (Some(begins), Poll::Pending) => {
                ready!(begins.as_mut().poll(context));
                Poll::Ready(Err(late("nothing is asked for")))
            }
            (_, polled) => polled,
        }
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Line<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.line).poll_write(context, bytes);
        self.moved(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.line).poll_write_vectored(context, bytes);
        self.moved(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.line.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.line).poll_flush(context);
        // With nothing to flush it is ready at once, also before anything was asked for.
        if polled.is_ready() { polled } else { self.moved(context, polled) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.line).poll_shutdown(context);
        self.moved(context, polled)
    }
}
