//! Tokens from endpoints on this machine, good and bad ones.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use gavel_market::model::{HeldValue, SecretSource, TokenGrant};
use gavel_sandbox::Request;
use tokio::{io::AsyncWriteExt, sync::mpsc};

use super::*;
use crate::{
    buyers::{
        BuyerSettings,
        limits::ANSWER_MAX_BYTES,
        tests::{Buyer, buyers, in_time, read_request, shortly},
    },
    secrets::{Fetching, NoToken, Secrets},
};

/// The secret that tokens are fetched with.
const SECRET: &str = "client-hush-hush";

/// An endpoint that gives `token-1`, `token-2` and so on, and what it was asked.
async fn endpoint(expires_in_s: u32) -> (Buyer, mpsc::UnboundedReceiver<String>) {
    let (saw, seen) = mpsc::unbounded_channel();
    let given = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let endpoint = Buyer::that(move |mut stream, _| {
        let (saw, given) = (saw.clone(), Arc::clone(&given));
        async move {
            while let Some(request) = read_request(&mut stream).await {
                let number = given.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
                let body = format!(
                    r#"{{"access_token":"token-{number}","token_type":"Bearer","expires_in":{expires_in_s}}}"#
                );
                let _ = stream.write_all(http("200 OK", &body).as_bytes()).await;
                let _ = saw.send(request);
            }
        }
    })
    .await;
    (endpoint, seen)
}

fn http(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An account's secrets, of which `TOKEN` is a token from this endpoint, in force.
fn secrets(tokens: &Tokens, endpoint: &Buyer, buyers: &Buyers) -> Secrets {
    let secrets = read(tokens, endpoint);
    tokens.put_in_force(secrets.tokens(), buyers);
    secrets
}

fn read(tokens: &Tokens, endpoint: &Buyer) -> Secrets {
    let held = |name: &str| HeldValue::Env(name.to_owned());
    let grant = TokenGrant {
        token_url: endpoint.url().parse().unwrap(),
        client_id: held("ID"),
        client_secret: held("SECRET"),
        scope: Some("leads".to_owned()),
    };
    let sources = BTreeMap::from([
        ("KEY".to_owned(), SecretSource::Held(held("KEY"))),
        ("TOKEN".to_owned(), SecretSource::OAuth2(grant)),
    ]);
    let fetching = Fetching {
        tokens,
        allow_http: true,
    };
    let environment = |name: &str| {
        Some(match name {
            "ID" => "gavel".into(),
            "SECRET" => SECRET.into(),
            _ => "plain-key".into(),
        })
    };
    Secrets::read_with(
        &"sunco-west".parse().unwrap(),
        &sources,
        &fetching,
        environment,
    )
    .unwrap()
}

/// A request that needs the token.
fn bearing() -> Request {
    Request {
        method: "POST".into(),
        url: "https://b.example/ping".into(),
        headers: vec![("Authorization".into(), "Bearer {{secret:TOKEN}}".into())],
        body: Vec::new(),
    }
}

/// One that does not.
fn plain() -> Request {
    Request {
        headers: vec![("X-Key".into(), "{{secret:KEY}}".into())],
        ..bearing()
    }
}

async fn token_by(secrets: &Secrets, until: Instant) -> Result<String, NoToken> {
    let filled = secrets.for_request(&bearing(), until).await?;
    Ok(filled.fill("{{secret:TOKEN}}").unwrap().into_owned())
}

#[tokio::test]
async fn a_token_is_fetched_once_for_all_requests() {
    let (endpoint, mut asked) = endpoint(3600).await;
    let (tokens, buyers) = (Tokens::default(), buyers());
    let secrets = secrets(&tokens, &endpoint, &buyers);
    let many = join_all((0..50).map(|_| token_by(&secrets, in_time()))).await;
    assert!(many.iter().all(|token| token.as_deref() == Ok("token-1")));

    let request = asked.recv().await.unwrap();
    assert!(request.starts_with("POST /in HTTP/1.1\r\n"), "{request}");
    // `gavel:client-hush-hush`.
    let basic = "authorization: Basic Z2F2ZWw6Y2xpZW50LWh1c2gtaHVzaA==\r\n";
    assert!(request.contains(basic), "{request}");
    assert!(
        request.ends_with("\r\n\r\ngrant_type=client_credentials&scope=leads"),
        "{request}"
    );
    assert!(asked.try_recv().is_err());
}

#[tokio::test]
async fn a_request_that_names_no_token_does_not_wait_for_one() {
    let endpoint = Buyer::that(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let (tokens, buyers) = (Tokens::default(), buyers());
    let secrets = secrets(&tokens, &endpoint, &buyers);
    let filled = secrets.for_request(&plain(), Instant::now()).await.unwrap();
    assert_eq!(filled.fill("{{secret:KEY}}").unwrap(), "plain-key");
}

#[tokio::test]
async fn a_token_is_fetched_again_before_it_expires_and_no_request_waits() {
    let (endpoint, mut asked) = endpoint(1).await;
    let (tokens, buyers) = (Tokens::default(), buyers());
    let secrets = secrets(&tokens, &endpoint, &buyers);
    assert_eq!(
        token_by(&secrets, in_time()).await.as_deref(),
        Ok("token-1")
    );
    // Nobody asks meanwhile, and it is renewed.
    asked.recv().await.unwrap();
    asked.recv().await.unwrap();
    let token = Arc::clone(secrets.tokens().next().unwrap());
    let mut state = token.state.clone();
    let renewed = state.wait_for(|state| state.former.is_some()).await;
    assert!(renewed.is_ok());
    drop(renewed);
    let filled = secrets
        .for_request(&bearing(), Instant::now())
        .await
        .unwrap();
    // What an answer may repeat is taken out of it: this token, the last, and the secret.
    let answer = format!("token-1 token-2 {SECRET} plain-key");
    let redacted = filled.redact(answer.as_bytes());
    let redacted = String::from_utf8_lossy(&redacted);
    assert!(
        !redacted.contains("token-") && !redacted.contains("hush"),
        "{redacted}"
    );
    assert_eq!(format!("{filled:?}"), "[\"KEY\", \"TOKEN\", \"TOKEN\"]");
}

#[tokio::test]
async fn a_refusal_is_told_at_once_and_the_endpoint_is_asked_again() {
    let refusal = http("401 Unauthorized", r#"{"error":"invalid_client"}"#);
    let grant = http(
        "200 OK",
        r#"{"access_token":"token-9","token_type":"bearer"}"#,
    );
    let endpoint = Buyer::that(move |mut stream, number| {
        let answer = if number == 0 {
            refusal.clone()
        } else {
            grant.clone()
        };
        async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    let (tokens, buyers) = (Tokens::default(), buyers());
    let secrets = secrets(&tokens, &endpoint, &buyers);
    assert_eq!(token_by(&secrets, in_time()).await, Err(NoToken));
    let mut state = secrets.tokens().next().unwrap().state.clone();
    let had = state.wait_for(|state| state.usable().is_some()).await;
    assert!(had.is_ok());
    drop(had);
    assert_eq!(
        token_by(&secrets, in_time()).await.as_deref(),
        Ok("token-9")
    );
}

#[tokio::test]
async fn an_endpoint_that_is_slow_makes_no_request_wait_longer_than_it_can() {
    let endpoint = Buyer::that(|mut stream, _| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let (tokens, buyers) = (Tokens::default(), buyers());
    let secrets = secrets(&tokens, &endpoint, &buyers);
    let until = shortly();
    assert_eq!(token_by(&secrets, until).await, Err(NoToken));
    assert!(Instant::now() >= until);
}

#[tokio::test]
async fn an_answer_that_is_no_grant_gives_no_token() {
    let body = |body: &str| http("200 OK", body);
    for answer in [
        body(&" ".repeat(ANSWER_MAX_BYTES + 1)),
        body("<html>"),
        body(r#"{"access_token":"a\nb","token_type":"Bearer"}"#),
        http("302 Found", r#"{"access_token":"a","token_type":"Bearer"}"#),
        "not HTTP\r\n\r\n".to_owned(),
    ] {
        let endpoint = Buyer::that_answers_once(answer).await;
        let (tokens, buyers) = (Tokens::default(), buyers());
        let secrets = secrets(&tokens, &endpoint, &buyers);
        assert_eq!(token_by(&secrets, in_time()).await, Err(NoToken));
    }
}

#[tokio::test]
async fn the_rules_of_requests_out_hold_for_token_endpoints() {
    let (endpoint, _asked) = endpoint(3600).await;
    let tokens = Tokens::default();
    let public_only = Buyers::new(BuyerSettings::default()).unwrap();
    let secrets = secrets(&tokens, &endpoint, &public_only);
    assert_eq!(token_by(&secrets, in_time()).await, Err(NoToken));
    assert_eq!(endpoint.connections(), 0);
}

#[tokio::test]
async fn a_market_that_is_applied_again_keeps_the_token() {
    let (endpoint, mut asked) = endpoint(3600).await;
    let (tokens, buyers) = (Tokens::default(), buyers());
    let first = secrets(&tokens, &endpoint, &buyers);
    token_by(&first, in_time()).await.unwrap();
    asked.recv().await.unwrap();
    // A dry run reads it too, and asks nobody.
    read(&Tokens::default(), &endpoint);
    let second = secrets(&tokens, &endpoint, &buyers);
    assert_eq!(
        token_by(&second, Instant::now()).await.as_deref(),
        Ok("token-1")
    );
    assert!(asked.try_recv().is_err());
}

#[tokio::test]
async fn a_token_that_the_market_no_longer_names_is_no_longer_fetched() {
    let (endpoint, _asked) = endpoint(3600).await;
    let (tokens, buyers) = (Tokens::default(), buyers());
    let secrets = secrets(&tokens, &endpoint, &buyers);
    tokens.put_in_force(std::iter::empty(), &buyers);
    let mut state = secrets.tokens().next().unwrap().state.clone();
    // The task that changes it is gone.
    assert!(state.wait_for(|_| false).await.is_err());
}

#[tokio::test]
async fn a_buyer_that_does_not_accept_a_token_has_it_fetched_again_for_later_requests() {
    let (endpoint, mut asked) = endpoint(3600).await;
    let (tokens, buyers) = (Tokens::default(), buyers());
    let secrets = secrets(&tokens, &endpoint, &buyers);
    let used = secrets.for_request(&bearing(), in_time()).await.unwrap();
    asked.recv().await.unwrap();
    used.doubt(&plain());
    used.doubt(&bearing());
    asked.recv().await.unwrap();
    let mut state = secrets.tokens().next().unwrap().state.clone();
    assert!(state.wait_for(|state| state.former.is_some()).await.is_ok());
    // One that was sent with the last token says nothing of this one.
    used.doubt(&bearing());
    assert_eq!(
        token_by(&secrets, in_time()).await.as_deref(),
        Ok("token-2")
    );
    assert!(asked.try_recv().is_err());
}
