//! Which request is meant.

use http::Method;

use crate::http::problem::{Code, Problem};

/// A request to the admin listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// At the listener's root, without a token.
    Health(Question),
    /// Below `/admin/v1`, with one.
    Operator(Asked<'a>),
}

/// What is asked of the host's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    Healthz,
    Readyz,
    Metrics,
}

/// What an operator asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    Market,
    PutMarket,
    Revisions,
    Revision(&'a str),
    Rollback,
    Plugins,
    Plugin(&'a str),
    PutPlugin(&'a str),
    /// Something done to a plugin.
    OfPlugin(&'a str, OfPlugin),
    Differences(&'a str),
    Pings,
    Ping(&'a str),
    ReplayPing(&'a str),
    Order(&'a str),
    Lead(&'a str),
    Deliveries,
    Settle(&'a str),
}

/// What is done to a plugin by `POST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OfPlugin {
    Activate,
    Rollback,
    Revoke,
    Shadow,
    Canary,
    Replay,
}

impl OfPlugin {
    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "activate" => Self::Activate,
            "rollback" => Self::Rollback,
            "revoke" => Self::Revoke,
            "shadow" => Self::Shadow,
            "canary" => Self::Canary,
            "replay" => Self::Replay,
            _ => return None,
        })
    }
}

impl<'a> Route<'a> {
    /// What this path means; it is looked at first, then the method.
    pub(super) fn of(method: &Method, path: &'a str) -> Result<Self, Problem> {
        let question = match path {
            "/healthz" => Some(Question::Healthz),
            "/readyz" => Some(Question::Readyz),
            "/metrics" => Some(Question::Metrics),
            _ => None,
        };
        match question {
            Some(question) if method == Method::GET => Ok(Self::Health(question)),
            Some(_) => Err(Problem::method_not_allowed("GET")),
            None => Asked::of(method, path).map(Self::Operator),
        }
    }
}

impl<'a> Asked<'a> {
    fn of(method: &Method, path: &'a str) -> Result<Self, Problem> {
        let served = Served::at(path).ok_or_else(|| Problem::new(Code::NotFound))?;
        let asked = match method.as_str() {
            "GET" => served.get,
            "PUT" => served.put,
            "POST" => served.post,
            _ => None,
        };
        asked.ok_or_else(|| Problem::method_not_allowed(served.allow()))
    }

    /// The media types that it can answer with.
    pub(super) fn offered(self) -> &'static [&'static str] {
        match self {
            Self::Market => &[
                "application/json",
                "application/toml",
                "application/problem+json",
            ],
            _ => &["application/json", "application/problem+json"],
        }
    }
}

/// What is served at one path.
#[derive(Default)]
struct Served<'a> {
    get: Option<Asked<'a>>,
    put: Option<Asked<'a>>,
    post: Option<Asked<'a>>,
}

impl<'a> Served<'a> {
    fn at(path: &'a str) -> Option<Self> {
        let mut segments = path.strip_prefix("/admin/v1/")?.split('/');
        let four = (
            segments.next()?,
            segments.next(),
            segments.next(),
            segments.next(),
        );
        let served = match four {
            ("market", None, ..) => Self::get(Asked::Market).put(Asked::PutMarket),
            ("market", Some("revisions"), None, _) => Self::get(Asked::Revisions),
            ("market", Some("revisions"), Some(number), None) => Self::get(Asked::Revision(number)),
            ("market", Some("rollback"), None, _) => Self::post(Asked::Rollback),
            ("plugins", None, ..) => Self::get(Asked::Plugins),
            ("plugins", Some(name), None, _) => {
                Self::get(Asked::Plugin(name)).put(Asked::PutPlugin(name))
            }
            ("plugins", Some(name), Some("differences"), None) => {
                Self::get(Asked::Differences(name))
            }
            ("plugins", Some(name), Some(what), None) => {
                Self::post(Asked::OfPlugin(name, OfPlugin::named(what)?))
            }
            ("pings", None, ..) => Self::get(Asked::Pings),
            ("pings", Some(id), None, _) => Self::get(Asked::Ping(id)),
            ("pings", Some(id), Some("replay"), None) => Self::post(Asked::ReplayPing(id)),
            ("orders", Some(id), None, _) => Self::get(Asked::Order(id)),
            ("leads", Some(id), None, _) => Self::get(Asked::Lead(id)),
            ("deliveries", None, ..) => Self::get(Asked::Deliveries),
            ("deliveries", Some(id), Some("settle"), None) => Self::post(Asked::Settle(id)),
            _ => return None,
        };
        Some(served)
    }

    fn get(asked: Asked<'a>) -> Self {
        Self {
            get: Some(asked),
            ..Self::default()
        }
    }

    fn post(asked: Asked<'a>) -> Self {
        Self {
            post: Some(asked),
            ..Self::default()
        }
    }

    fn put(self, asked: Asked<'a>) -> Self {
        Self {
            put: Some(asked),
            ..self
        }
    }

    fn allow(&self) -> &'static str {
        match (self.get, self.put) {
            (Some(_), Some(_)) => "GET, PUT",
            (Some(_), None) => "GET",
            _ => "POST",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_api_is_known() {
        let of = |method, path| match Route::of(&method, path).unwrap() {
            Route::Operator(asked) => asked,
            Route::Health(question) => panic!("{question:?}"),
        };
        assert_eq!(of(Method::GET, "/admin/v1/market"), Asked::Market);
        assert_eq!(of(Method::PUT, "/admin/v1/market"), Asked::PutMarket);
        assert_eq!(
            of(Method::GET, "/admin/v1/market/revisions"),
            Asked::Revisions
        );
        assert_eq!(
            of(Method::POST, "/admin/v1/market/rollback"),
            Asked::Rollback
        );
        assert_eq!(
            of(Method::PUT, "/admin/v1/plugins/roof-filter"),
            Asked::PutPlugin("roof-filter")
        );
        assert_eq!(
            of(Method::POST, "/admin/v1/plugins/roof-filter/canary"),
            Asked::OfPlugin("roof-filter", OfPlugin::Canary)
        );
        assert_eq!(
            of(Method::GET, "/admin/v1/plugins/roof-filter/differences"),
            Asked::Differences("roof-filter")
        );
        assert_eq!(
            of(Method::POST, "/admin/v1/pings/pg_1/replay"),
            Asked::ReplayPing("pg_1")
        );
        assert_eq!(of(Method::GET, "/admin/v1/pings"), Asked::Pings);
        assert_eq!(of(Method::GET, "/admin/v1/leads/ld_1"), Asked::Lead("ld_1"));
        assert_eq!(
            of(Method::POST, "/admin/v1/deliveries/dl_1_0/settle"),
            Asked::Settle("dl_1_0")
        );
    }

    #[test]
    fn the_hosts_state_is_asked_at_the_root() {
        for (path, question) in [
            ("/healthz", Question::Healthz),
            ("/readyz", Question::Readyz),
            ("/metrics", Question::Metrics),
        ] {
            assert_eq!(
                Route::of(&Method::GET, path).unwrap(),
                Route::Health(question)
            );
        }
    }

    #[test]
    fn another_path_is_not_found() {
        for path in [
            "/",
            "/admin/v1",
            "/admin/v1/",
            "/admin/v1/market/",
            "/admin/v1/orders",
            "/admin/v1/pings/a/b",
            "/admin/v1/plugins/a/b",
            "/market",
            "/healthz/",
        ] {
            assert_eq!(
                Route::of(&Method::GET, path).unwrap_err().code(),
                Code::NotFound,
                "{path}"
            );
        }
    }

    #[test]
    fn another_method_is_told_the_right_ones() {
        let allow = |path| {
            Route::of(&Method::DELETE, path)
                .unwrap_err()
                .into_reply()
                .headers()["allow"]
                .clone()
        };
        assert_eq!(allow("/admin/v1/market"), "GET, PUT");
        assert_eq!(allow("/metrics"), "GET");
        assert_eq!(allow("/admin/v1/market/rollback"), "POST");
    }
}
