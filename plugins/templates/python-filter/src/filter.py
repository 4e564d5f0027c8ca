"""A filter says, for one buyer's account, whether it wants a lead at all: it is asked at every
ping, and once more with the full record just before the lead is delivered.

A call is a function of its arguments. There is no network, no file, no clock and no random
number; what may be known of the lead comes from `lead`, and the answer is the return value.
"""

from gavel import Refused, filter_plugin, log


class RoofFilter:
    """One account's filter."""

    def __init__(self, config):
        """Raise where the configuration makes no sense: the market is refused then, with your
        words, before it can lose a lead."""
        self.shade = config["shade"]
        self.min_bill = config.get("min_bill", 0)
        if len(set(self.shade)) < len(self.shade):
            raise ValueError("shade: names a value twice")

    def qualify(self, lead):
        """Return nothing where the lead is wanted, and `Refused` where it is not. What is raised
        here is a fault of the plugin and costs the account the lead; the operator sees it with
        its traceback."""
        # None: the supplier did not say. A ping may leave out what the post brings.
        roof = lead.get("roof_shade")
        if roof is not None and roof not in self.shade:
            return Refused("roof_shaded", f"the shade is {roof}; accepted: {', '.join(self.shade)}")
        # A decimal field comes as Decimal, exact.
        bill = lead.get("monthly_bill")
        if bill is not None and bill < self.min_bill:
            return Refused("bill_too_small", f"the bill is {bill}; at least {self.min_bill} is wanted")
        log.debug("wanted:", roof, bill)


About, Account = filter_plugin(
    RoofFilter,
    name="{{name}}",
    version="0.1.0",
    summary="Refuses roofs with too much shade, and bills that are too small.",
    # JSON Schema of the configuration. An account whose configuration does not satisfy it is
    # refused before the plugin is asked. `x-codes` lists the codes of the refusals above.
    config_schema={
        "type": "object",
        "properties": {
            "shade": {"type": "array", "items": {"type": "string"}, "minItems": 1, "description": "Values of roof_shade to accept"},
            "min_bill": {"type": "number", "minimum": 0, "description": "Smallest monthly bill, in dollars"},
        },
        "required": ["shade"],
        "additionalProperties": False,
        "x-codes": ["roof_shaded", "bill_too_small"],
    },
    # Fields that a market's lead type has to have. Leave out those that you can do without.
    needs=["roof_shade", "monthly_bill"],
)
