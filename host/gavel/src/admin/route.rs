//! Which request is meant: a table with one line for each.

use http::Method;

use crate::http::{
    problem::{Code, Problem},
    serves,
};

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

/// One line for each request: variant, what its path names, method, path below `/admin/v1/`, and
/// the parameters that its query may have.
macro_rules! asked {
    ($($asked:ident $(($named:ident))? $method:ident $path:literal $([$($parameter:literal),*])?;)*) => {
        /// What an operator asks, with what the path names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Asked<'a> { $($asked $((asked!(@named 'a $named)))?,)* }

        /// Method and path of each.
        const SERVED: &[(Method, &str)] = &[$((Method::$method, $path),)*];

        impl<'a> Asked<'a> {
            /// The request of this place in the table.
            fn at(place: usize, named: &'a str) -> Option<Self> {
                let mut places = 0..;
                $(if places.next() == Some(place) {
                    return Some(Self::$asked $((asked!(@value $named named)))?);
                })*
                None
            }

            /// What its query may have. Anything else is refused: a slip in a name must not be a
            /// `dry_run` that was silently left out.
            pub(super) fn parameters(self) -> &'static [&'static str] {
                match self {
                    $(Self::$asked $((asked!(@any $named)))? => &[$($($parameter),*)?],)*
                }
            }
        }
    };
    (@any $named:ident) => { _ };
    (@named $a:lifetime $named:ident) => { &$a str };
    (@value $named:ident $value:ident) => { $value };
}

asked! {
    Market GET "market";
    PutMarket PUT "market" ["dry_run", "source"];
    Revisions GET "market/revisions" ["after", "limit"];
    Revision(number) GET "market/revisions/{number}";
    Rollback POST "market/rollback";
    Plugins GET "plugins" ["after", "limit"];
    Plugin(name) GET "plugins/{name}";
    PutPlugin(name) PUT "plugins/{name}" ["activate", "memory", "time", "log"];
    Differences(name) GET "plugins/{name}/differences" ["after", "limit"];
    Activate(name) POST "plugins/{name}/activate";
    RollbackPlugin(name) POST "plugins/{name}/rollback";
    Revoke(name) POST "plugins/{name}/revoke";
    Shadow(name) POST "plugins/{name}/shadow";
    Canary(name) POST "plugins/{name}/canary";
    ReplayPlugin(name) POST "plugins/{name}/replay";
    Pings GET "pings" ["campaign", "account", "outcome", "since", "after", "limit"];
    Ping(id) GET "pings/{id}";
    ReplayPing(id) POST "pings/{id}/replay";
    Order(id) GET "orders/{id}";
    Lead(id) GET "leads/{id}" ["words"];
    EraseLead(id) DELETE "leads/{id}/personal";
    Deliveries GET "deliveries" ["state", "after", "limit"];
    Settle(id) POST "deliveries/{id}/settle";
    Retry(id) POST "deliveries/{id}/retry";
    Returns GET "returns" ["state", "after", "limit"];
    Return POST "returns";
    AcceptReturn(id) POST "returns/{id}/accept";
    DeclineReturn(id) POST "returns/{id}/decline";
    AccountUsage(id) GET "accounts/{id}/usage";
    CampaignUsage(id) GET "campaigns/{id}/usage";
    InstructionsLink(id) POST "campaigns/{id}/instructions-link";
    Report GET "report" ["by", "from", "to", "campaign", "supplier", "account"];
    Audit GET "audit" ["after", "limit"];
    Events GET "events" ["kinds"];
    OpenApi GET "openapi.json";
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
            Some(question) if serves(&Method::GET, method) => Ok(Self::Health(question)),
            Some(_) => Err(Problem::method_not_allowed([Method::GET])),
            None => Asked::of(method, path).map(Self::Operator),
        }
    }
}

impl<'a> Asked<'a> {
    fn of(method: &Method, path: &'a str) -> Result<Self, Problem> {
        let path = path
            .strip_prefix("/admin/v1/")
            .ok_or_else(|| Problem::new(Code::NotFound))?;
        let mut allowed = Vec::new();
        for (place, (served, template)) in SERVED.iter().enumerate() {
            let Some(named) = named_by(template, path) else {
                continue;
            };
            if serves(served, method) {
                return Self::at(place, named).ok_or_else(|| Problem::new(Code::NotFound));
            }
            allowed.push(served.clone());
        }
        Err(if allowed.is_empty() {
            Problem::new(Code::NotFound)
        } else {
            Problem::method_not_allowed(allowed)
        })
    }

    /// The media types that it can answer with.
    pub(super) fn offered(self) -> &'static [&'static str] {
        match self {
            Self::Market => &[
                "application/json",
                "application/toml",
                "application/problem+json",
            ],
            Self::Report => &["application/json", "text/csv", "application/problem+json"],
            Self::Events => &["text/event-stream", "application/problem+json"],
            _ => &["application/json", "application/problem+json"],
        }
    }
}

/// What a path has in the place of a template's `{…}`, and nothing where it has none; none at
/// all where the path is another.
fn named_by<'a>(template: &str, path: &'a str) -> Option<&'a str> {
    let (mut segments, mut named) = (path.split('/'), "");
    for wanted in template.split('/') {
        let segment = segments.next()?;
        if wanted.starts_with('{') {
            named = segment;
        } else if wanted != segment {
            return None;
        }
    }
    segments.next().is_none().then_some(named)
}

#[cfg(test)]
pub(super) fn served() -> impl Iterator<Item = (String, String)> {
    let below = SERVED.iter().map(|(method, path)| {
        let path = format!("/admin/v1/{path}");
        (method.to_string(), path)
    });
    let root = ["/healthz", "/readyz", "/metrics"].map(|path| ("GET".into(), path.into()));
    below.chain(root)
}

/// What the query of an operator's request may have.
#[cfg(test)]
pub(super) fn parameters_of(method: &str, path: &str) -> Option<&'static [&'static str]> {
    match Route::of(&method.parse().unwrap(), path).unwrap() {
        Route::Operator(asked) => Some(asked.parameters()),
        Route::Health(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_what_is_asked_about() {
        let of = |method, path| match Route::of(&method, path).unwrap() {
            Route::Operator(asked) => asked,
            Route::Health(question) => panic!("{question:?}"),
        };
        assert_eq!(of(Method::GET, "/admin/v1/market"), Asked::Market);
        assert_eq!(of(Method::PUT, "/admin/v1/market"), Asked::PutMarket);
        assert_eq!(
            of(Method::GET, "/admin/v1/market/revisions/7"),
            Asked::Revision("7")
        );
        assert_eq!(
            of(Method::PUT, "/admin/v1/plugins/roof-filter"),
            Asked::PutPlugin("roof-filter")
        );
        assert_eq!(
            of(Method::POST, "/admin/v1/plugins/roof-filter/canary"),
            Asked::Canary("roof-filter")
        );
        assert_eq!(
            of(Method::POST, "/admin/v1/deliveries/dl_1_0/settle"),
            Asked::Settle("dl_1_0")
        );
        assert_eq!(
            of(Method::DELETE, "/admin/v1/leads/ld_1/personal"),
            Asked::EraseLead("ld_1")
        );
        assert_eq!(
            of(Method::GET, "/admin/v1/campaigns/west/usage"),
            Asked::CampaignUsage("west")
        );
    }

    #[test]
    fn every_line_of_the_table_is_reached() {
        for (place, (method, template)) in SERVED.iter().enumerate() {
            let path = format!("/admin/v1/{template}");
            let asked = Asked::of(method, &path).unwrap();
            let named = named_by(template, template).unwrap();
            assert_eq!(Some(asked), Asked::at(place, named), "{path}");
        }
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
    fn head_is_served_where_get_is() {
        let of = |path| Route::of(&Method::HEAD, path);
        assert_eq!(of("/healthz").unwrap(), Route::Health(Question::Healthz));
        assert_eq!(
            of("/admin/v1/market").unwrap(),
            Route::Operator(Asked::Market)
        );
        let only_post = of("/admin/v1/market/rollback");
        assert_eq!(only_post.unwrap_err().code(), Code::MethodNotAllowed);
    }

    #[test]
    fn another_method_is_told_the_right_ones() {
        let allow = |path| {
            Route::of(&Method::PATCH, path)
                .unwrap_err()
                .into_reply()
                .headers()["allow"]
                .clone()
        };
        assert_eq!(allow("/admin/v1/market"), "GET, HEAD, PUT");
        assert_eq!(allow("/metrics"), "GET, HEAD");
        assert_eq!(allow("/admin/v1/market/rollback"), "POST");
    }
}
