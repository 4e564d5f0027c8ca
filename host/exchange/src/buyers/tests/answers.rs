//! Answers, from odd to hostile.

use super::{limits::ANSWER_MAX_BYTES, *};

async fn ping(buyer: &Buyer) -> Result<Response, PingFailure> {
    buyers().ping(&to(&buyer.url()), in_time()).await
}

async fn failure_of(answer: impl Into<Vec<u8>>) -> PingFailure {
    ping(&Buyer::that_answers_once(answer).await)
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_redirect_is_given_back_as_it_is() {
    let elsewhere = Buyer::that_answers(YES).await;
    let answer = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        elsewhere.url()
    );
    let answer = ping(&Buyer::that_answers(answer).await).await.unwrap();
    assert_eq!(answer.status, 302);
    assert!(
        answer
            .headers
            .contains(&("location".into(), elsewhere.url()))
    );
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let answer = [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n",
        YES,
    ]
    .concat();
    let answer = ping(&Buyer::that_answers(answer).await).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"yes"[..]));
}

#[tokio::test]
async fn an_answer_in_chunks_is_put_together() {
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nye\r\n1;x=y\r\ns\r\n0\r\nX-Late: 1\r\n\r\n";
    assert_eq!(
        ping(&Buyer::that_answers(answer).await).await.unwrap().body,
        b"yes"
    );
}

#[tokio::test]
async fn an_answer_that_ends_with_the_connection_is_whole() {
    let buyer = Buyer::that_answers_once("HTTP/1.0 200 OK\r\n\r\nyes").await;
    assert_eq!(ping(&buyer).await.unwrap().body, b"yes");
}

#[tokio::test]
async fn what_is_compressed_stays_so() {
    let answer =
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\0";
    assert_eq!(
        ping(&Buyer::that_answers(*answer).await)
            .await
            .unwrap()
            .body,
        b"\x1f\x8b\x08\0"
    );
}

#[tokio::test]
async fn a_header_that_is_no_text_is_mended() {
    let answer = b"HTTP/1.1 200 OK\r\nX-Odd: a\xffb\r\nContent-Length: 0\r\n\r\n";
    let answer = ping(&Buyer::that_answers(*answer).await).await.unwrap();
    assert!(
        answer
            .headers
            .contains(&("x-odd".into(), "a\u{fffd}b".into()))
    );
}

#[tokio::test]
async fn a_secret_sent_back_is_taken_out() {
    let buyer = Buyer::that(|mut stream, _| async move {
        let request = read_request(&mut stream).await.unwrap();
        assert!(
            request.contains("x-key: hush/hush") && request.contains("?key=hush/hush"),
            "{request}"
        );
        let body = request + " hush%2Fhush hush\\/hush";
        let head = format!(
            "HTTP/1.1 200 OK\r\nX-Echo: your key hush/hush\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all((head + &body).as_bytes()).await;
    })
    .await;
    let request = Request {
        method: "POST".into(),
        url: buyer.url() + "?key={{secret:KEY}}",
        headers: vec![("X-Key".into(), "{{secret:KEY}}".into())],
        body: b"{{secret:KEY}}".to_vec(),
    };
    let outgoing = prepare(&request, &secret("KEY", "hush/hush"));
    let answer = buyers().ping(&outgoing, in_time()).await.unwrap();
    let body = String::from_utf8(answer.body).unwrap();
    assert!(!body.contains("hush"), "{body}");
    assert_eq!(body.matches("{{secret:KEY}}").count(), 5);
    assert!(
        answer
            .headers
            .contains(&("x-echo".into(), "your key {{secret:KEY}}".into()))
    );
}

#[tokio::test]
async fn a_connection_dropped_before_a_whole_answer_is_unreachable() {
    let deaf = Buyer::that(|stream, _| async move { drop(stream) }).await;
    assert_eq!(ping(&deaf).await, Err(PingFailure::Unreachable));
    // A new connection is no stale one: the ping is not repeated.
    assert_eq!(deaf.connections(), 1);
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nyes",
    ] {
        assert_eq!(
            failure_of(answer).await,
            PingFailure::Unreachable,
            "{answer}"
        );
    }
    assert_eq!(
        failure_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nye").await,
        PingFailure::Unreachable
    );
}

#[tokio::test]
async fn an_answer_lost_on_a_kept_connection_is_not_asked_for_again() {
    let buyer = Buyer::that(|mut stream, _| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(YES).await;
        read_request(&mut stream).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nyes")
            .await;
    })
    .await;
    let (buyers, ping) = (buyers(), to(&buyer.url()));
    assert!(buyers.ping(&ping, in_time()).await.is_ok());
    assert_eq!(
        buyers.ping(&ping, in_time()).await,
        Err(PingFailure::Unreachable)
    );
    assert_eq!(buyer.connections(), 1);
}

#[tokio::test]
async fn nonsense_is_unreadable() {
    for answer in [
        &b"hello there, how are you?\r\n\r\n"[..],
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 and more of the kind",
        b"HTTP/1.1 999999 What\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nyes!",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nyes\r\n",
    ] {
        assert_eq!(
            failure_of(answer).await,
            PingFailure::Unreadable,
            "{}",
            answer.escape_ascii()
        );
    }
}

#[tokio::test]
async fn the_largest_body_is_taken_and_one_byte_more_is_not() {
    let answer = |length: usize| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        [head.into_bytes(), vec![b'x'; length]].concat()
    };
    let buyer = Buyer::that_answers(answer(ANSWER_MAX_BYTES)).await;
    assert_eq!(ping(&buyer).await.unwrap().body.len(), ANSWER_MAX_BYTES);
    assert_eq!(
        failure_of(answer(ANSWER_MAX_BYTES + 1)).await,
        PingFailure::Oversized
    );
}

#[tokio::test]
async fn a_body_announced_too_large_is_not_waited_for() {
    let buyer = Buyer::that(|mut stream, _| async move {
        read_request(&mut stream).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
            .await;
        read_request(&mut stream).await;
    })
    .await;
    assert_eq!(ping(&buyer).await, Err(PingFailure::Oversized));
}

#[tokio::test]
async fn a_body_without_end_is_oversized() {
    for head in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let buyer = Buyer::that(move |mut stream, _| async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(b"8\r\n23456789\r\n").await.is_ok() {}
        })
        .await;
        assert_eq!(ping(&buyer).await, Err(PingFailure::Oversized), "{head}");
    }
}

#[tokio::test]
async fn a_million_header_bytes_are_oversized() {
    let long = format!(
        "HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n",
        "x".repeat(1_000_000)
    );
    assert_eq!(failure_of(long).await, PingFailure::Oversized);
    let many = format!(
        "HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n",
        "X: y\r\n".repeat(200)
    );
    assert_eq!(failure_of(many).await, PingFailure::Oversized);
}

#[tokio::test]
async fn headers_without_end_are_oversized() {
    let buyer = Buyer::that(|mut stream, _| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"X-More: and more\r\n").await.is_ok() {}
    })
    .await;
    assert_eq!(ping(&buyer).await, Err(PingFailure::Oversized));
}

/// How long a ping took that `serve` never lets end; it fails with `Timeout`.
async fn held_up(dripped: &'static [u8], first: &'static str) -> Duration {
    let buyer = Buyer::that(move |mut stream, _| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(first.as_bytes()).await;
        while stream.write_all(dripped).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let started = Instant::now();
    let answer = buyers().ping(&to(&buyer.url()), shortly()).await;
    assert_eq!(answer, Err(PingFailure::Timeout), "{first}");
    started.elapsed()
}

#[tokio::test]
async fn a_buyer_that_drips_holds_up_nobody() {
    for (dripped, first) in [
        (
            &b"x"[..],
            "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
        ),
        (
            b"1\r\nx\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        (b"x", "HTTP/1.1 200 OK\r\nX-Slow: "),
        (b"HTTP/1.1 100 Continue\r\n\r\n", ""),
        (b"", ""),
    ] {
        let took = held_up(dripped, first).await;
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}

#[tokio::test]
async fn a_buyer_that_floods_with_interim_answers_is_left_in_time() {
    let buyer = Buyer::that(|mut stream, _| async move {
        read_request(&mut stream).await;
        while stream
            .write_all(&b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000))
            .await
            .is_ok()
        {}
    })
    .await;
    assert_eq!(
        buyers().ping(&to(&buyer.url()), shortly()).await,
        Err(PingFailure::Timeout)
    );
}
