//! What is no request gets an answer in this API's form too.
//!
//! hyper answers bytes that it cannot read by itself, with a bare status. Such an answer is
//! recognised by there being no request that a handler had, and a problem document of the
//! same status goes out in its place.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite;

use super::problem::{Code, Problem};

/// An answer on its way out.
#[derive(Debug)]
pub(super) struct Instead {
    bytes: Vec<u8>,
    sent: usize,
}

impl Instead {
    /// What to say in the place of this answer of hyper's.
    pub(super) fn of(answer: &[u8]) -> Self {
        let status = answer.split(|byte| *byte == b' ').nth(1);
        let problem = match status {
            Some(b"431") => Problem::new(Code::HeadersTooLarge),
            _ => Problem::malformed("this is no HTTP/1.1 request"),
        };
        Self {
            bytes: problem.to_http1(),
            sent: 0,
        }
    }

    /// Writes what is left of it; once all is written, nothing.
    pub(super) fn poll_write<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.bytes.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut *io).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sent += written,
            }
        }
        Poll::Ready(Ok(()))
    }
}
