//! Which request is meant.

use http::Method;

use crate::http::{
    problem::{Code, Problem},
    serves,
};

/// A request of the supplier API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// `POST /v1/campaigns/{campaign}/ping`
    Ping(&'a str),
    /// `POST /v1/campaigns/{campaign}/post`
    Post(&'a str),
    /// `POST /v1/campaigns/{campaign}/lead`
    Direct(&'a str),
    /// `GET /v1/leads/{lead_id}`
    Status(&'a str),
    /// `GET /v1/campaigns/{campaign}/instructions`
    Instructions(&'a str),
}

impl<'a> Route<'a> {
    /// What this path means; it is looked at first, then the method.
    pub(super) fn of(method: &Method, path: &'a str) -> Result<Self, Problem> {
        let path = path
            .strip_prefix("/v1/")
            .ok_or_else(|| Problem::new(Code::NotFound))?;
        let mut segments = path.split('/');
        let four = (
            segments.next(),
            segments.next(),
            segments.next(),
            segments.next(),
        );
        let (route, served) = match four {
            (Some("campaigns"), Some(campaign), Some("ping"), None) => {
                (Self::Ping(campaign), Method::POST)
            }
            (Some("campaigns"), Some(campaign), Some("post"), None) => {
                (Self::Post(campaign), Method::POST)
            }
            (Some("campaigns"), Some(campaign), Some("lead"), None) => {
                (Self::Direct(campaign), Method::POST)
            }
            (Some("campaigns"), Some(campaign), Some("instructions"), None) => {
                (Self::Instructions(campaign), Method::GET)
            }
            (Some("leads"), Some(lead), None, None) => (Self::Status(lead), Method::GET),
            _ => return Err(Problem::new(Code::NotFound)),
        };
        if serves(&served, method) {
            Ok(route)
        } else {
            Err(Problem::method_not_allowed([served]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_api_is_known() {
        let of = |method, path| Route::of(&method, path).unwrap();
        assert_eq!(
            of(Method::POST, "/v1/campaigns/solar-west/ping"),
            Route::Ping("solar-west")
        );
        assert_eq!(
            of(Method::POST, "/v1/campaigns/solar-west/post"),
            Route::Post("solar-west")
        );
        assert_eq!(
            of(Method::POST, "/v1/campaigns/solar-west/lead"),
            Route::Direct("solar-west")
        );
        assert_eq!(of(Method::GET, "/v1/leads/ld_1"), Route::Status("ld_1"));
    }

    #[test]
    fn another_path_is_not_found_by_any_method() {
        for path in [
            "/",
            "/v1",
            "/v1/",
            "/v2/leads/x",
            "/v1/leads",
            "/v1/leads/x/y",
            "/v1/campaigns/a/ping/",
            "/v1/campaigns/a/b/ping",
            "/v1//campaigns/a/ping",
        ] {
            assert_eq!(
                Route::of(&Method::PATCH, path).unwrap_err().code(),
                Code::NotFound,
                "{path}"
            );
        }
    }

    #[test]
    fn another_method_is_told_the_right_one() {
        for (method, path, allow) in [
            (Method::GET, "/v1/campaigns/a/ping", "POST"),
            (Method::DELETE, "/v1/leads/x", "GET, HEAD"),
        ] {
            let reply = Route::of(&method, path).unwrap_err().into_reply();
            assert_eq!(
                (
                    reply.status().as_u16(),
                    reply.headers()["allow"].to_str().unwrap()
                ),
                (405, allow)
            );
        }
    }
}
