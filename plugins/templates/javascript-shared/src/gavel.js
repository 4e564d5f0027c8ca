// Between your plugin and Gavel; nothing in here is about your buyer.
//
// It makes what wit/buyer.wit asks for out of one object, turns a lead's fields into plain
// values, and sees to it that whatever goes wrong arrives as an error with its stack: an
// exception that left the component would be a trap without a word.

import { log as hostLog } from "gavel:buyer/logging@1.0.0";

// ── What the engineer gets to see ────────────────────────────────────────────

const line = (level) => (...words) => hostLog(level, words.map(shown).join(" ").toWellFormed());

/** `log.info("asked for", panels)`. The host bounds what is kept of one call. */
export const log = { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };

globalThis.console = { ...log, log: log.info };

// ── What there is not ────────────────────────────────────────────────────────

// A call is a function of its arguments, so that an operator can repeat it.
function absent(what, instead) {
  throw new Error(`a plugin has no ${what}: ${instead}`);
}
const noClock = () => absent("clock", "use lead.receivedAt");
globalThis.Date = class extends Date {
  static now = noClock;
  constructor(...given) {
    super(...(given.length ? given : [noClock()]));
  }
};
Math.random = () => absent("random numbers", "take lead.order where one of many has to be picked");

// ── The lead ─────────────────────────────────────────────────────────────────

/** The lead on offer. A field is read when it is asked for, and the host records which were. */
class Lead {
  #host;

  constructor(host) {
    this.#host = host;
  }

  /**
   * What a field holds, or null where the supplier did not say: text, dates and decimals
   * (exact digits) as strings, integers as numbers, flags as booleans.
   */
  get(name) {
    return plain(this.#host.field(name));
  }

  /** Every field, as a list of [name, value]. */
  all() {
    return this.#host.fields().map(([name, value]) => [name, plain(value)]);
  }

  /** "ping", where personal fields do not exist, or "post". */
  get stage() { return this.#host.stage(); }
  get campaign() { return this.#host.campaign(); }
  get leadType() { return this.#host.leadType(); }
  /** Unique to this lead and account, the same at ping and post: an idempotency key. */
  get order() { return this.#host.order(); }
  /** The only clock there is: Unix time in milliseconds at which the host received the request. */
  get receivedAt() { return Number(this.#host.receivedAt()); }
  get currency() { return this.#host.currency(); }
  get subId() { return this.#host.subId() ?? null; }
  get isTest() { return this.#host.isTest(); }
}

function plain(value) {
  if (value == null) return null;
  return value.tag === "integer" ? Number(value.val) : value.val;
}

// ── What a plugin answers ────────────────────────────────────────────────────

/** A filter's refusal: a stable snake_case word to count by, and one sentence for a person. */
export const refused = (code, detail) => ({ code: text("code", code), detail: text("detail", detail) });

/** A step of an adapter: the host sends this and calls again with the buyer's answer. */
export const send = ({ method = "POST", url, headers = {}, body = "" }) => {
  const list = Object.entries(headers).map(([name, value]) => ({ name, value: text(name, value) }));
  return { tag: "send", val: { method: text("method", method), url: text("url", url), headers: list, body: new TextEncoder().encode(text("body", body)) } };
};

/** What a ping ends with. The amount is exact digits, such as "12.50"; without one the account's fixed price stands. */
export const bid = (amount, reference) => ({ tag: "bid", val: { amount: optional(amount), reference: optional(reference) } });
export const noBid = (words) => ({ tag: "no-bid", val: text("noBid", words) });

/** What a post ends with. Say `rejected` only where the buyer certainly did not take the lead. */
export const accepted = ({ reference, price, redirectUrl } = {}) => ({
  tag: "accepted",
  val: { reference: optional(reference), price: optional(price), redirectUrl: optional(redirectUrl) },
});
export const rejected = (code, detail) => ({ tag: "rejected", val: refused(code, detail) });

/** A buyer's answer. */
class Answer {
  #response;

  constructor(response) {
    this.#response = response;
  }

  get status() { return this.#response.status; }

  /** The first header of this name, whatever its case, or null. */
  header(name) {
    const found = this.#response.headers.find((header) => header.name.toLowerCase() === name.toLowerCase());
    return found?.value ?? null;
  }

  text() {
    // An error where it is not UTF-8.
    return new TextDecoder("utf-8", { fatal: true }).decode(this.#response.body);
  }

  json() {
    return JSON.parse(this.text());
  }
}

// ── What is exported ─────────────────────────────────────────────────────────

/** `open(config)` gives one account's filter, an object with `qualify(lead)`: a refusal, or nothing. */
export function filterPlugin(describe, open) {
  class Account {
    static open(config) {
      return opened(() => Object.assign(new Account(), { opened: open(JSON.parse(config)) }));
    }

    qualify(lead) {
      return guarded(() => {
        const refusal = this.opened.qualify(new Lead(lead));
        return refusal == null
          ? { tag: "qualified" }
          : { tag: "disqualified", val: refused(refusal.code, refusal.detail) };
      });
    }
  }
  return { about: about(describe), filter: { Account } };
}

/** `open(config)` gives one account's adapter, an object with `ping(lead, answers)` and `post(lead, won, answers)`. */
export function adapterPlugin(describe, open) {
  const answered = (answers) => answers.map((response) => new Answer(response));
  class Account {
    static open(config) {
      return opened(() => Object.assign(new Account(), { opened: open(JSON.parse(config)) }));
    }

    ping(lead, answers) {
      return guarded(() => step(this.opened.ping(new Lead(lead), answered(answers)), "send", "bid", "no-bid"));
    }

    post(lead, won, answers) {
      return guarded(() => step(this.opened.post(new Lead(lead), won, answered(answers)), "send", "accepted", "rejected"));
    }
  }
  return { about: about(describe), adapter: { Account } };
}

function about({ name, version, summary, configSchema, needs = [] }) {
  return { describe: () => ({ name, version, summary, configSchema: JSON.stringify(configSchema), needs }) };
}

// What `open` throws on purpose are words for the operator, who has no use for a stack.
function opened(open) {
  return guarded(() => {
    try {
      return open();
    } catch (error) {
      throw error?.constructor === Error ? error.message : error;
    }
  });
}

// A thrown string is the interface's error; anything else that is thrown would be a trap.
function guarded(call) {
  try {
    return call();
  } catch (error) {
    throw shown(error).toWellFormed();
  }
}

// A value of another shape than the interface's would be a trap, too.
function step(given, ...allowed) {
  if (allowed.includes(given?.tag)) return given;
  throw new Error(`a step is one of ${allowed.join(", ")}, not ${shown(given)}`);
}

function text(what, value) {
  if (typeof value === "string") return value.toWellFormed();
  throw new TypeError(`${what} has to be text, not ${shown(value)}`);
}

function optional(value) {
  return value == null ? undefined : String(value).toWellFormed();
}

function shown(value) {
  if (value instanceof Error) return `${value.name}: ${value.message}\n${value.stack ?? ""}`.trimEnd();
  return typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
}
