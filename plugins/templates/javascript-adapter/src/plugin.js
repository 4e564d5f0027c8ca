// An adapter speaks one buyer's protocol without doing the speaking: it says what to send, the host
// sends it and calls again with the buyer's answers so far, oldest first.
//
// A call is a function of its arguments. There is no network, no file, no clock and no random
// number; all that is known of the steps before stands in `answers`.
import { adapterPlugin, send, bid, noBid, accepted, rejected, log } from "./gavel.js";

const describe = {
  name: "{{name}}",
  version: "0.1.0",
  summary: "Asks a buyer for a bid in JSON, and posts the lead in JSON.",

  // JSON Schema of the configuration. An account whose configuration does not satisfy it is
  // refused before the plugin is asked. `x-codes` lists the codes of the rejections below.
  configSchema: {
    type: "object",
    properties: {
      ping_url: { type: "string", description: "Where the buyer is asked for a bid" },
      post_url: { type: "string", description: "Where the buyer takes the lead" },
    },
    required: ["ping_url", "post_url"],
    additionalProperties: false,
    "x-codes": ["buyer_rejected"],
  },
};

function open({ ping_url, post_url }) {
  // The host puts the secret in its place. It has to be granted to the account, and the buyer's
  // address has to be among the account's `hosts`.
  const headers = { "content-type": "application/json", authorization: "Bearer {{secret:BUYER_KEY}}" };
  const request = (url, lead, more) => {
    const body = { ...Object.fromEntries(lead.all()), order: lead.order, ...more };
    return send({ url, headers, body: JSON.stringify(body) });
  };

  return {
    // A bid may be wrong without harm. What is thrown costs the account this lead, no more.
    ping(lead, [answer]) {
      if (!answer) return request(ping_url, lead);
      const said = read(answer);
      return said.bid == null ? noBid(said.reason ?? "no price") : bid(said.bid, said.id);
    },

    // Here the buyer gets the lead. Once it was sent, only `accepted` and `rejected` say how it
    // ended. Say `rejected` where the buyer certainly has not taken the lead: the next one gets it
    // then. Where that is not certain, throw: the delivery is unconfirmed, and a person settles it.
    post(lead, won, [answer]) {
      if (!answer) return request(post_url, lead, { id: won.reference, price: won.amount });
      const said = read(answer);
      if (said.status === "accepted") return accepted({ reference: said.id });
      if (said.status === "rejected") return rejected("buyer_rejected", said.reason ?? "no reason given");
      throw new Error("the buyer said neither accepted nor rejected");
    },
  };
}

function read(answer) {
  if (answer.status !== 200) {
    log.warn("the buyer answered", answer.status);
    throw new Error(`the buyer answered ${answer.status}`);
  }
  return answer.json();
}

export const { about, adapter } = adapterPlugin(describe, open);
