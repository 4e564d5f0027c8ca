//! Buyers over TLS: who they are is checked before a byte is sent.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;

/// An authority of the test's own.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// What a buyer needs to be `names`, as `authority` says; `change` makes it odd.
fn identity(
    authority: &CertifiedIssuer<'static, KeyPair>,
    names: &[&str],
    change: fn(&mut CertificateParams),
) -> TlsAcceptor {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::from(key))
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config).into()
}

/// A buyer behind TLS that answers with the protocol agreed on.
async fn buyer_as(acceptor: TlsAcceptor) -> Buyer {
    Buyer::that(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            while read_request(&mut stream).await.is_some() {
                let protocol = String::from_utf8_lossy(stream.get_ref().1.alpn_protocol().unwrap())
                    .into_owned();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{protocol}",
                    protocol.len()
                );
                if stream.write_all(answer.as_bytes()).await.is_err()
                    || stream.flush().await.is_err()
                {
                    return;
                }
            }
        }
    })
    .await
}

fn buyers_trusting(authority: &CertifiedIssuer<'static, KeyPair>) -> Buyers {
    let extra_roots = vec![authority.der().clone()];
    Buyers::new(BuyerSettings {
        allow_private: true,
        extra_roots,
        ..BuyerSettings::default()
    })
    .unwrap()
}

fn https(buyer: &Buyer, host: &str) -> Outgoing {
    to(&format!("https://{host}:{}/in", buyer.address.port()))
}

#[tokio::test]
async fn a_buyer_with_a_good_certificate_is_asked() {
    let authority = authority();
    let buyer = buyer_as(identity(&authority, &["localhost", "127.0.0.1"], |_| {})).await;
    let buyers = buyers_trusting(&authority);
    for host in ["localhost", "127.0.0.1"] {
        let outgoing = https(&buyer, host);
        for _ in 0..2 {
            assert_eq!(
                buyers.ping(&outgoing, in_time()).await.unwrap().body,
                b"http/1.1",
                "{host}"
            );
        }
        let line = buyers.connect(&outgoing, in_time()).await.unwrap();
        assert_eq!(
            line.send(&outgoing, in_time()).await.unwrap().body,
            b"http/1.1",
            "{host}"
        );
    }
    // For each name one for its pings and one for its delivery.
    assert_eq!(buyer.connections(), 4);
}

#[tokio::test]
async fn a_buyer_that_cannot_show_who_it_is_is_unreachable() {
    let (authority, stranger) = (authority(), authority());
    let cases = [
        (
            "unknown issuer",
            identity(&stranger, &["localhost"], |_| {}),
        ),
        (
            "wrong name",
            identity(&authority, &["other.example"], |_| {}),
        ),
        (
            "expired",
            identity(&authority, &["localhost"], |params| {
                params.not_after = rcgen::date_time_ymd(2020, 1, 1);
            }),
        ),
    ];
    let buyers = buyers_trusting(&authority);
    for (what, acceptor) in cases {
        let buyer = buyer_as(acceptor).await;
        let outgoing = https(&buyer, "localhost");
        assert_eq!(
            buyers.ping(&outgoing, in_time()).await,
            Err(PingFailure::Unreachable),
            "{what}"
        );
        assert_eq!(
            buyers.connect(&outgoing, in_time()).await.err(),
            Some(Unreachable),
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_test_authority_is_not_trusted_by_default() {
    let buyer = buyer_as(identity(&authority(), &["localhost"], |_| {})).await;
    let outgoing = https(&buyer, "localhost");
    assert_eq!(
        buyers().ping(&outgoing, in_time()).await,
        Err(PingFailure::Unreachable)
    );
}

#[tokio::test]
async fn a_buyer_without_tls_is_not_spoken_to_in_the_clear() {
    let buyer = Buyer::that(|mut stream, _| async move {
        let _ = stream.write_all(YES).await;
        read_request(&mut stream).await;
    })
    .await;
    let outgoing = https(&buyer, "127.0.0.1");
    assert_eq!(
        buyers().ping(&outgoing, in_time()).await,
        Err(PingFailure::Unreachable)
    );
}

#[tokio::test]
async fn what_is_no_certificate_is_no_root() {
    let settings = BuyerSettings {
        extra_roots: vec![b"nonsense".to_vec().into()],
        ..BuyerSettings::default()
    };
    assert!(Buyers::new(settings).is_err());
}
