"""Between your plugin and Gavel; nothing in here is about your buyer.

It makes what wit/buyer.wit asks for out of one class, turns a lead's fields into plain values,
and sees to it that whatever goes wrong arrives as an error with its traceback: an exception
that left the component would be a trap without a word.
"""

import json
import sys
import time
from dataclasses import dataclass, field
from decimal import Decimal

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import leads, logging

# ── What the engineer gets to see ───────────────────────────────────────────


class log:
    """`log.info("asked for", panels)`. The host bounds what is kept of one call."""

    @staticmethod
    def debug(*words):
        logging.log(logging.Level.DEBUG, " ".join(map(str, words)))

    @staticmethod
    def info(*words):
        logging.log(logging.Level.INFO, " ".join(map(str, words)))

    @staticmethod
    def warn(*words):
        logging.log(logging.Level.WARN, " ".join(map(str, words)))

    @staticmethod
    def error(*words):
        logging.log(logging.Level.ERROR, " ".join(map(str, words)))


class _Printed:
    """`print` goes to the log, too."""

    def write(self, text):
        if text.strip():
            log.info(text.rstrip())

    def flush(self):
        pass


sys.stdout = sys.stderr = _Printed()


def _no_clock():
    # A call is a function of its arguments, so that an operator can repeat it.
    raise RuntimeError("a plugin has no clock: use lead.received_at")


time.time = _no_clock

# ── The lead ────────────────────────────────────────────────────────────────


class Lead:
    """The lead on offer. A field is read when it is asked for, and the host records which were."""

    def __init__(self, host):
        self._host = host

    def get(self, name):
        """What a field holds, or None where the supplier did not say: text and dates as str,
        decimals as Decimal, integers as int, flags as bool."""
        return _plain(self._host.field(name))

    def all(self):
        """Every field, as a list of (name, value)."""
        return [(name, _plain(value)) for name, value in self._host.fields()]

    @property
    def stage(self):
        """"ping", where personal fields do not exist, or "post"."""
        return "ping" if self._host.stage() == leads.Stage.PING else "post"

    @property
    def order(self):
        """Unique to this lead and account, the same at ping and post: an idempotency key."""
        return self._host.order()

    @property
    def received_at(self):
        """The only clock there is: Unix time in milliseconds at which the host received the request."""
        return self._host.received_at()

    campaign = property(lambda self: self._host.campaign())
    lead_type = property(lambda self: self._host.lead_type())
    currency = property(lambda self: self._host.currency())
    sub_id = property(lambda self: self._host.sub_id())
    is_test = property(lambda self: self._host.is_test())


def _plain(value):
    if value is None:
        return None
    return Decimal(value.value) if isinstance(value, leads.Value_Decimal) else value.value


# ── What a plugin answers ───────────────────────────────────────────────────


@dataclass
class Refused:
    """A filter's refusal: a stable snake_case word to count by, and one sentence for a person."""

    code: str
    detail: str


@dataclass
class Send:
    """A step of an adapter: the host sends this and calls again with the buyer's answer."""

    url: str
    method: str = "POST"
    headers: dict = field(default_factory=dict)
    body: str | bytes = ""


@dataclass
class Bid:
    """What a ping ends with. Without an amount the account's fixed price stands."""

    amount: str | Decimal | None = None
    reference: str | None = None


@dataclass
class NoBid:
    """What a ping ends with: the buyer does not want the lead, and its words."""

    words: str


@dataclass
class Accepted:
    """What a post ends with: the buyer has taken the lead."""

    reference: str | None = None
    price: str | Decimal | None = None
    redirect_url: str | None = None


@dataclass
class Rejected:
    """What a post ends with, only where the buyer certainly did not take the lead."""

    code: str
    detail: str


class Answer:
    """A buyer's answer."""

    def __init__(self, response):
        self.status = response.status
        self.body = response.body
        self._headers = response.headers

    def header(self, name):
        """The first header of this name, whatever its case, or None."""
        return next((header.value for header in self._headers if header.name.lower() == name.lower()), None)

    def json(self):
        """The body as JSON; numbers with a point are Decimal, so that money stays exact."""
        return json.loads(self.body, parse_float=Decimal)


# ── What is exported ────────────────────────────────────────────────────────


def filter_plugin(plugin, **description):
    """`plugin(config)` is one account's filter, with `qualify(lead)`: a Refused, or None."""

    class Account:
        def __init__(self, opened):
            self._opened = opened

        @classmethod
        def open(cls, config):
            return _guarded(lambda: cls(_opened(plugin, config)))

        def qualify(self, lead):
            return _guarded(lambda: _verdict(self._opened.qualify(Lead(lead))))

    return _about(description), Account


def adapter_plugin(plugin, **description):
    """`plugin(config)` is one account's adapter, with `ping(lead, answers)` and
    `post(lead, won, answers)`."""

    class Account:
        def __init__(self, opened):
            self._opened = opened

        @classmethod
        def open(cls, config):
            return _guarded(lambda: cls(_opened(plugin, config)))

        def ping(self, lead, answers):
            return _guarded(lambda: _ping_step(self._opened.ping(Lead(lead), list(map(Answer, answers)))))

        def post(self, lead, won, answers):
            return _guarded(lambda: _post_step(self._opened.post(Lead(lead), won, list(map(Answer, answers)))))

    return _about(description), Account


def _about(description):
    schema = json.dumps(description.pop("config_schema"))

    class About:
        def describe(self):
            return exports.about.Description(config_schema=schema, **description)

    return About


def _opened(plugin, config):
    try:
        return plugin(json.loads(config, parse_float=Decimal))
    except ValueError as error:
        # Raised on purpose: words for the operator, who has no use for a traceback.
        raise Err(str(error)) from None


def _guarded(call):
    try:
        return call()
    except Err:
        raise
    except Exception as error:
        # The interface's error; any other exception would be a trap.
        raise Err(_told(error)) from None


def _told(error):
    # Not by `traceback`, which looks for the sources, and there are no files here.
    told = [f"{type(error).__name__}: {error}"]
    at = error.__traceback__
    while at is not None:
        code = at.tb_frame.f_code
        told.append(f"  at {code.co_qualname} ({code.co_filename}:{at.tb_lineno})")
        at = at.tb_next
    return "\n".join(told)


def _verdict(refused):
    if refused is None:
        return exports.filter.Verdict_Qualified()
    return exports.filter.Verdict_Disqualified(exports.filter.Refusal(_text(refused.code), _text(refused.detail)))


def _ping_step(step):
    match step:
        case Send():
            return exports.adapter.PingStep_Send(_request(step))
        case Bid(amount, reference):
            return exports.adapter.PingStep_Bid(exports.adapter.Offer(_optional(amount), _optional(reference)))
        case NoBid(words):
            return exports.adapter.PingStep_NoBid(_text(words))
    raise TypeError(f"ping answers a Send, a Bid or a NoBid, not {step!r}")


def _post_step(step):
    match step:
        case Send():
            return exports.adapter.PostStep_Send(_request(step))
        case Accepted(reference, price, redirect_url):
            taken = exports.adapter.Acceptance(_optional(reference), _optional(price), _optional(redirect_url))
            return exports.adapter.PostStep_Accepted(taken)
        case Rejected(code, detail):
            return exports.adapter.PostStep_Rejected(exports.adapter.Rejection(_text(code), _text(detail)))
    raise TypeError(f"post answers a Send, an Accepted or a Rejected, not {step!r}")


def _request(send):
    headers = [exports.adapter.Header(name, _text(value)) for name, value in send.headers.items()]
    body = send.body.encode() if isinstance(send.body, str) else bytes(send.body)
    return exports.adapter.Request(_text(send.method), _text(send.url), headers, body)


def _text(value):
    if isinstance(value, str):
        return value
    raise TypeError(f"this has to be text: {value!r}")


def _optional(value):
    return None if value is None else str(value)
