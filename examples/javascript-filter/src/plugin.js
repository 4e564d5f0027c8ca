// What Desert Sun Solar takes: its own ground, in its opening hours, from sources it still trusts.
//
// The rules are those of an installer with crews in a few places: it buys where a crew can be
// within a day, asks more of the roofs that are far away, stops a source by its sub id as soon as
// its consumers complain, and takes leads only while somebody is there to call them back.
import { filterPlugin, refused, log } from "./gavel.js";

const HOUR_MS = 3_600_000;
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const describe = {
  name: "desert-sun",
  version: "1.2.0",
  summary: "Takes leads in an installer's service areas, within its opening hours, from sources it trusts.",
  configSchema: {
    type: "object",
    properties: {
      areas: {
        type: "array",
        minItems: 1,
        description: "Where crews work; the first area that has the zip counts",
        items: {
          type: "object",
          properties: {
            name: { type: "string" },
            zips: { type: "array", minItems: 1, items: { type: "string", pattern: "^[0-9]{1,5}$" }, description: "Zips, or how they begin" },
            min_bill: { type: "number", minimum: 0, description: "Smallest monthly bill there, in dollars" },
          },
          required: ["name", "zips", "min_bill"],
          additionalProperties: false,
        },
      },
      hours: {
        type: "object",
        properties: {
          utc_offset: { type: "number", minimum: -12, maximum: 14, description: "Hours from UTC; Arizona has -7 all year" },
          days: { type: "array", items: { enum: DAYS }, minItems: 1 },
          from: { type: "integer", minimum: 0, maximum: 23, description: "First hour, local" },
          to: { type: "integer", minimum: 1, maximum: 24, description: "Hour at which it closes, local" },
        },
        required: ["utc_offset", "days", "from", "to"],
        additionalProperties: false,
      },
      blocked_sources: { type: "array", items: { type: "string" }, description: "Sub ids, or how they begin with a * at the end" },
    },
    required: ["areas"],
    additionalProperties: false,
    "x-codes": ["outside_area", "bill_too_small", "closed", "source_blocked", "renter"],
  },
  needs: ["zip", "monthly_bill"],
};

function open({ areas, hours, blocked_sources = [] }) {
  if (hours && hours.from >= hours.to) {
    throw new Error("hours: it has to open before it closes; give two accounts for a night shift");
  }
  // The longest beginning of a zip counts, so that 85001 can be told apart from 850.
  const byZip = new Map(areas.flatMap((area) => area.zips.map((zip) => [zip, area])));
  const areaOf = (zip) => [5, 4, 3, 2, 1].map((length) => byZip.get(zip.slice(0, length))).find(Boolean);

  return {
    qualify(lead) {
      const source = lead.subId;
      if (source && blocked_sources.some((blocked) => covers(blocked, source))) {
        return refused("source_blocked", `nothing more is bought from ${source}`);
      }
      if (hours && !isOpen(hours, lead.receivedAt)) {
        return refused("closed", "nobody is there to call the consumer back");
      }
      // The supplier need not say; the installer only does not want those that certainly rent.
      if (lead.get("homeowner") === false) {
        return refused("renter", "the consumer rents");
      }
      const zip = lead.get("zip");
      const area = zip && areaOf(zip);
      if (!area) {
        return refused("outside_area", zip ? `no crew works in ${zip}` : "the lead has no zip");
      }
      const bill = lead.get("monthly_bill");
      if (bill !== null && Number(bill) < area.min_bill) {
        return refused("bill_too_small", `${area.name} wants ${area.min_bill} or more, the bill is ${bill}`);
      }
      log.info(`for ${area.name}`);
    },
  };
}

function covers(blocked, source) {
  return blocked.endsWith("*") ? source.startsWith(blocked.slice(0, -1)) : blocked === source;
}

function isOpen({ utc_offset, days, from, to }, receivedAt) {
  const local = new Date(receivedAt + utc_offset * HOUR_MS);
  const hour = local.getUTCHours();
  return days.includes(DAYS[local.getUTCDay()]) && hour >= from && hour < to;
}

export const { about, filter } = filterPlugin(describe, open);
