"""An adapter speaks one buyer's protocol without doing the speaking: it says what to send, the host
sends it and calls again with the buyer's answers so far, oldest first.

A call is a function of its arguments. There is no network, no file, no clock and no random
number; all that is known of the steps before stands in `answers`.
"""

import json

from gavel import Accepted, Bid, NoBid, Rejected, Send, adapter_plugin, log


class JsonBuyer:
    """One account's adapter."""

    def __init__(self, config):
        self.ping_url = config["ping_url"]
        self.post_url = config["post_url"]

    def ping(self, lead, answers):
        """A bid may be wrong without harm. What is raised costs the account this lead, no more."""
        if not answers:
            return request(self.ping_url, lead)
        said = read(answers[0])
        if said["bid"] is None:
            return NoBid(said.get("reason", "no price"))
        return Bid(said["bid"], said.get("id"))

    def post(self, lead, won, answers):
        """Here the buyer gets the lead. Once it was sent, only `Accepted` and `Rejected` say how it
        ended. Say `Rejected` where the buyer certainly has not taken the lead: the next one gets it
        then. Where that is not certain, raise: the delivery is unconfirmed, and a person settles it.
        """
        if not answers:
            return request(self.post_url, lead, id=won.reference, price=won.amount)
        match read(answers[0]):
            case {"status": "accepted", **said}:
                return Accepted(reference=said.get("id"))
            case {"status": "rejected", **said}:
                return Rejected("buyer_rejected", said.get("reason", "no reason given"))
        raise RuntimeError("the buyer said neither accepted nor rejected")


def request(url, lead, **more):
    # The host puts the secret in its place. It has to be granted to the account, and the buyer's
    # address has to be among the account's `hosts`.
    headers = {"content-type": "application/json", "authorization": "Bearer {{secret:BUYER_KEY}}"}
    body = dict(lead.all()) | {"order": lead.order} | more
    return Send(url, headers=headers, body=json.dumps(body, default=str, separators=(",", ":")))


def read(answer):
    if answer.status != 200:
        log.warn("the buyer answered", answer.status)
        raise RuntimeError(f"the buyer answered {answer.status}")
    return answer.json()


About, Account = adapter_plugin(
    JsonBuyer,
    name="{{name}}",
    version="0.1.0",
    summary="Asks a buyer for a bid in JSON, and posts the lead in JSON.",
    # JSON Schema of the configuration. An account whose configuration does not satisfy it is
    # refused before the plugin is asked. `x-codes` lists the codes of the rejections above.
    config_schema={
        "type": "object",
        "properties": {
            "ping_url": {"type": "string", "description": "Where the buyer is asked for a bid"},
            "post_url": {"type": "string", "description": "Where the buyer takes the lead"},
        },
        "required": ["ping_url", "post_url"],
        "additionalProperties": False,
        "x-codes": ["buyer_rejected"],
    },
    needs=[],
)
