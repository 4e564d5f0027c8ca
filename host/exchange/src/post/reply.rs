//! Step 9: what the supplier is told, made from the record alone, so that the same post
//! again gets the same answer.

use gavel_market::order::{DeliveryState, Order};

use crate::{
    Inner,
    api::{PostReply, Refusal},
    words::DeliveryWords,
};

/// The longest redirect URL that is passed on, in bytes: what browsers and servers take.
const REDIRECT_URL_MAX_BYTES: usize = 2048;

/// The answer that an order's record holds.
pub(crate) fn reply(inner: &Inner, order: &Order) -> Result<PostReply, Refusal> {
    let post = order.post.as_ref().ok_or(Refusal::Broken)?;
    let answer = post.answer.clone().ok_or(Refusal::PostInProgress)?;
    Ok(PostReply {
        lead_id: order.id.lead(),
        answer,
        currency: inner.currency_of(order.revision),
        redirect_url: redirect_url(inner, order)?,
        warnings: post.warnings.clone(),
        test: order.test,
        again: false,
    })
}

/// The same, to a post that was answered before.
pub(crate) fn again(inner: &Inner, order: &Order) -> Result<PostReply, Refusal> {
    let reply = reply(inner, order)?;
    Ok(PostReply {
        again: true,
        ..reply
    })
}

/// Where the best-ranked buyer that took the lead wants the consumer sent. An erased lead
/// has none any more.
fn redirect_url(inner: &Inner, order: &Order) -> Result<Option<String>, Refusal> {
    // Only what the supplier was told: an accepted lead's buyers come later.
    if order.state != gavel_market::order::OrderState::Sold {
        return Ok(None);
    }
    let sold = order
        .deliveries()
        .iter()
        .filter(|delivery| delivery.state == DeliveryState::Sold && !delivery.settled_by_hand);
    let mut bids: Vec<u16> = sold.map(|delivery| delivery.bid).collect();
    bids.sort_unstable();
    for bid in bids {
        for words in inner.store.unseal_words(order.id.lead(), bid)? {
            let wanted = DeliveryWords::from_bytes(&words)
                .redirect_url
                .filter(|url| is_redirect(url));
            if wanted.is_some() {
                return Ok(wanted);
            }
        }
    }
    Ok(None)
}

/// A buyer's word becomes a link on a supplier's page: only plain http and https.
fn is_redirect(text: &str) -> bool {
    text.len() <= REDIRECT_URL_MAX_BYTES
        && url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}
