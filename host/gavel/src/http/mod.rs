//! HTTP, as both listeners speak it; nothing here knows what is asked.
//!
//! | module | holds |
//! |---|---|
//! | [`limits`] | every bound, with its reason |
//! | [`listener`] | sockets, TLS, how many connections there may be, the end |
//! | [`first_byte`] | when a request began; connections that never finish |
//! | `instead` | what hyper would say by itself, in our form |
//! | [`connection`] | one connection's requests, each in a task of its own |
//! | [`negotiate`] | `Accept`, `Content-Type`, `Content-Encoding`, `Authorization` |
//! | [`body`] | a request's body, bounded in bytes and time |
//! | [`json`], [`form`] | bodies, read strictly |
//! | [`query`] | query strings, read strictly |
//! | [`reply`], [`problem`] | answers, good and bad |
//! | [`xml`] | the same for those who would rather have XML |
//! | [`address`] | under which URL others see us |

pub(crate) mod address;
pub(crate) mod body;
pub(crate) mod connection;
pub(crate) mod first_byte;
pub(crate) mod form;
mod instead;
pub(crate) mod json;
pub(crate) mod limits;
pub(crate) mod listener;
pub(crate) mod negotiate;
pub(crate) mod problem;
pub(crate) mod query;
pub(crate) mod reply;
#[cfg(test)]
mod tests;
pub(crate) mod xml;

use http::Method;

/// Whether what is served by one method answers a request of another: `HEAD` asks what `GET`
/// does, and hyper leaves the body out (RFC 9110, section 9.3.2).
pub(crate) fn serves(served: &Method, asked: &Method) -> bool {
    served == asked || (served == Method::GET && asked == Method::HEAD)
}
