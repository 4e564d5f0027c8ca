// A filter says, for one buyer's account, whether it wants a lead at all: it is asked at every
// ping, and once more with the full record just before the lead is delivered.
//
// A call is a function of its arguments. There is no network, no file, no clock and no random
// number; what may be known of the lead comes from `lead`, and the answer is the return value.
import { filterPlugin, refused, log } from "./gavel.js";

const describe = {
  name: "{{name}}",
  version: "0.1.0",
  summary: "Refuses roofs with too much shade, and bills that are too small.",

  // JSON Schema of the configuration. An account whose configuration does not satisfy it is
  // refused before the plugin is asked. `x-codes` lists the codes of the refusals below.
  configSchema: {
    type: "object",
    properties: {
      shade: { type: "array", items: { type: "string" }, minItems: 1, description: "Values of roof_shade to accept" },
      min_bill: { type: "number", minimum: 0, description: "Smallest monthly bill, in dollars" },
    },
    required: ["shade"],
    additionalProperties: false,
    "x-codes": ["roof_shaded", "bill_too_small"],
  },

  // Fields that a market's lead type has to have. Leave out those that you can do without.
  needs: ["roof_shade", "monthly_bill"],
};

// Called with an account's configuration. Throw where it makes no sense: the market is refused
// then, with your words, before it can lose a lead.
function open({ shade, min_bill = 0 }) {
  if (new Set(shade).size < shade.length) {
    throw new Error("shade: names a value twice");
  }
  return {
    // Return nothing where the lead is wanted, and `refused` where it is not. What is thrown here
    // is a fault of the plugin and costs the account the lead; the operator sees it with its stack.
    qualify(lead) {
      // null: the supplier did not say. A ping may leave out what the post brings.
      const roof = lead.get("roof_shade");
      if (roof !== null && !shade.includes(roof)) {
        return refused("roof_shaded", `the shade is ${roof}; accepted: ${shade.join(", ")}`);
      }
      // A decimal comes as its exact digits, such as "180.75".
      const bill = lead.get("monthly_bill");
      if (bill !== null && Number(bill) < min_bill) {
        return refused("bill_too_small", `the bill is ${bill}; at least ${min_bill} is wanted`);
      }
      log.debug("wanted:", { roof, bill });
    },
  };
}

export const { about, filter } = filterPlugin(describe, open);
