"""What Lakeside Energy takes: leads that its sales model thinks will buy.

The model is a scorecard, as a data team fits it every quarter from what became of the leads
before: points for bands of a number and for values of a field, added up exactly and held against
a cut-off. The points are the account's configuration, so a new quarter is a new configuration and
no new plugin; and a refusal says what cost the most, so that nobody has to guess.
"""

from decimal import Decimal

from gavel import Refused, filter_plugin, log


class Scorecard:
    """One account's model."""

    def __init__(self, config):
        self.cutoff = config["cutoff"]
        self.parts = [part_of(place, part) for place, part in enumerate(config["parts"])]
        best = sum(part.best for part in self.parts)
        if best < self.cutoff:
            raise ValueError(f"cutoff: no lead can have {self.cutoff} points, the best has {best}")

    def qualify(self, lead):
        scores = [(part, part.points(lead.get(part.field))) for part in self.parts]
        total = sum(points for _, points in scores)
        log.debug("scored", total, {part.field: str(points) for part, points in scores})
        if total >= self.cutoff:
            return None
        worst, points = min(scores, key=lambda score: score[1] - score[0].best)
        return Refused(
            "score_too_low",
            f"{total} points of {self.cutoff}; most are lost by {worst.field}: {points} of {worst.best}",
        )


class Bands:
    """Points by what a number is at least."""

    def __init__(self, part):
        self.field = part["field"]
        self.unknown = part.get("unknown", 0)
        # The highest bound first, so that the first that is reached counts.
        self.bands = sorted(((Decimal(at_least), points) for at_least, points in part["bands"]), reverse=True)
        self.best = max([self.unknown, *(points for _, points in self.bands)])

    def points(self, value):
        if value is None:
            return self.unknown
        return next((points for at_least, points in self.bands if value >= at_least), 0)


class Values:
    """Points by what a field holds."""

    def __init__(self, part):
        self.field = part["field"]
        self.unknown = part.get("unknown", 0)
        self.values = part["values"]
        self.best = max([self.unknown, *self.values.values()])

    def points(self, value):
        if value is None:
            return self.unknown
        # A flag is written like in JSON.
        name = str(value).lower() if isinstance(value, bool) else str(value)
        return self.values.get(name, 0)


def part_of(place, part):
    match part:
        case {"bands": _, "values": _}:
            raise ValueError(f"parts[{place}]: either bands or values")
        case {"bands": _}:
            return Bands(part)
        case {"values": _}:
            return Values(part)
    raise ValueError(f"parts[{place}]: bands or values")


POINTS = {"type": "number", "minimum": -1000, "maximum": 1000}

About, Account = filter_plugin(
    Scorecard,
    name="lakeside-scorecard",
    version="4.0.0",
    summary="Takes leads whose points in a scorecard reach a cut-off.",
    config_schema={
        "type": "object",
        "properties": {
            "cutoff": {**POINTS, "description": "Points that a lead needs"},
            "parts": {
                "type": "array",
                "minItems": 1,
                "maxItems": 50,
                "description": "What points are given for",
                "items": {
                    "type": "object",
                    "properties": {
                        "field": {"type": "string", "description": "A field of the lead"},
                        "bands": {
                            "type": "array",
                            "minItems": 1,
                            "description": "Pairs: what the number is at least, and its points",
                            "items": {"type": "array", "prefixItems": [{"type": "number"}, POINTS], "minItems": 2, "maxItems": 2},
                        },
                        "values": {"type": "object", "minProperties": 1, "additionalProperties": POINTS},
                        "unknown": {**POINTS, "description": "Points where the supplier did not say"},
                    },
                    "required": ["field"],
                    "additionalProperties": False,
                },
            },
        },
        "required": ["cutoff", "parts"],
        "additionalProperties": False,
        "x-codes": ["score_too_low"],
    },
    # By name it knows none: the account's configuration names them.
    needs=[],
)
