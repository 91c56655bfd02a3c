"""List prices of models, from the tables of genai-prices. Nothing is fetched: they are as old as that package."""

from collections.abc import Mapping, Sequence

from agent_queue.core.prices import Price, cost
from agent_queue.core.usage import Call


class ListPrices:
    """What calls cost. Satisfies `ports.Prices`. The tables are loaded when a call has to be priced, not before."""

    def __init__(self, overrides: Mapping[str, Price]) -> None:
        self._overrides = overrides

    def __call__(self, calls: Sequence[Call]) -> float | None:
        """The sum in USD; None when the price of one of them is not known: a part of it would say too little."""
        found = [self._one(part) for call in calls for part in _parts(call)]
        known = [usd for usd in found if usd is not None]
        return sum(known) if len(known) == len(found) else None

    def _one(self, call: Call) -> float | None:
        override = self._overrides.get(call.model) or self._overrides.get(call.model.rpartition("/")[2])
        return cost(override, call) if override is not None else _listed(call)


def _parts(call: Call) -> list[Call]:
    """Single requests: a large one may cost more by the token, and a sum of small ones is not a large one."""
    if call.times <= 1:
        return [call]
    whole = (call.tokens_in, call.tokens_cached, call.tokens_written, call.tokens_written_1h, call.tokens_out)
    each = [number // call.times for number in whole]
    last = [number - part * (call.times - 1) for number, part in zip(whole, each, strict=True)]
    return [_call(call.model, each)] * (call.times - 1) + [_call(call.model, last)]


def _call(model: str, numbers: Sequence[int]) -> Call:
    names = ("tokens_in", "tokens_cached", "tokens_written", "tokens_written_1h", "tokens_out")
    return Call(model=model, **dict(zip(names, numbers, strict=True)))


def _listed(call: Call) -> float | None:
    from genai_prices import Usage, calc_price

    # It refuses a part that is larger than the whole; a program's figures may be off by a few.
    whole = max(call.tokens_in, call.tokens_cached + call.tokens_written)
    usage = Usage(
        input_tokens=whole, cache_read_tokens=call.tokens_cached, cache_write_tokens=call.tokens_written,
        output_tokens=call.tokens_out,
        **({"cache_write_1h_tokens": call.tokens_written_1h} if call.tokens_written_1h else {}),
    )  # fmt: skip
    provider, _, rest = call.model.partition("/")
    for model, provider_id in ((rest, provider), (call.model, None)) if rest else ((call.model, None),):
        try:
            return float(calc_price(usage, model, provider_id=provider_id).total_price)
        except (LookupError, ValueError):
            continue
    return None
