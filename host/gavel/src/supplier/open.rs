//! Who may read a campaign's posting instructions: whoever has the supplier's key, or a link
//! that an operator made for them.

use gavel_exchange::contract::LinkRefused;
use gavel_market::{contract::Contract, ids::Digest, reason::FieldCode};
use http::HeaderMap;

use super::SupplierApi;
use crate::{
    http::{problem::Problem, query::Query, reply::Reply},
    instructions::{self, Form, Instructions},
};

impl SupplierApi {
    /// `GET /v1/campaigns/{campaign}/instructions`.
    pub(super) fn instructions(
        &self,
        campaign: &str,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<Reply, Problem> {
        // A link is known by its signature; without one there must be a key.
        let signed = query.is_some_and(|query| query.contains("signature="));
        let caller = if signed {
            None
        } else {
            Some(self.authenticate(headers)?)
        };
        let query = Query::read(query, &["expires", "signature", "format"])?;
        let form = match query.text("format") {
            Some("html") => Form::Page,
            Some("json") => Form::OpenApi,
            Some(_) => {
                return Err(Problem::field(
                    "format",
                    FieldCode::NotAllowed,
                    "html or json",
                ));
            }
            None => Form::asked_for(headers)?,
        };
        let (contract, link) = match caller {
            Some(caller) => (self.exchange.contract(&caller, campaign)?, None),
            None => (
                self.by_link(campaign, &query)?,
                link_to_openapi(campaign, &query),
            ),
        };
        let instructions = Instructions::new(
            contract,
            self.address.for_supplier(headers),
            self.max_body_bytes,
            link,
        );
        Ok(instructions::reply(&instructions, form))
    }

    fn by_link(&self, campaign: &str, query: &Query) -> Result<Contract, Problem> {
        // What cannot be a link's is as wrong as a wrong signature.
        let nothing = || Problem::from(LinkRefused::Invalid);
        let expires = query.text("expires").and_then(|text| text.parse().ok());
        let signature: Option<Digest> = query.text("signature").and_then(|text| text.parse().ok());
        let (Some(expires), Some(signature)) = (expires, signature) else {
            return Err(nothing());
        };
        Ok(self
            .exchange
            .contract_by_link(campaign, expires, &signature)?)
    }
}

/// The same link, to the other form: a browser cannot be told to ask for JSON.
fn link_to_openapi(campaign: &str, query: &Query) -> Option<String> {
    let (expires, signature) = (query.text("expires")?, query.text("signature")?);
    Some(instructions::path(campaign, expires, signature) + "&format=json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_the_document_is_the_same_link() {
        let query = Query::read(Some("expires=7&signature=ab"), &["expires", "signature"]).unwrap();
        assert_eq!(
            link_to_openapi("c", &query).unwrap(),
            "/v1/campaigns/c/instructions?expires=7&signature=ab&format=json"
        );
    }
}
