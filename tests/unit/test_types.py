"""What a call may ask, and what comes out."""

from __future__ import annotations

import math

import pytest

from compound_fast.errors import ConfigError, TextError
from compound_fast.types import CallOptions, ChatCompletionChunk, CompoundInfo, Usage


@pytest.mark.parametrize("options", [
    {"tenant": 3}, {"namespace": None}, {"tenant": "\ud800"}, {"cache": "never"}, {"cache": []},
    {"ttl_s": True}, {"ttl_s": math.inf}, {"ttl_s": math.nan}, {"ttl_s": -1}, {"ttl_s": 10**400}, {"ttl_s": "1"},
])  # fmt: skip
def test_an_option_of_the_wrong_kind_is_refused_however_it_is_given(options):
    """A tenant is text, a time to live a number of seconds; a mapping and the class are checked alike."""
    name = next(iter(options))
    for make in (CallOptions.from_mapping, lambda values: CallOptions(**values)):
        with pytest.raises((ConfigError, TextError), match=f"compound option {name}"):
            make(options)


@pytest.mark.parametrize("options", ["x", 3, [("tenant", "a")], {"tennant": "a"}, {3: "a"}])
def test_options_that_are_no_mapping_of_known_names_are_refused(options):
    """The message names the value and what is known."""
    with pytest.raises(ConfigError, match=r"compound(=| option )"):
        CallOptions.from_mapping(options)


def test_an_unknown_cost_is_none_in_dollars_too():
    """None stays None at the edge."""
    unknown = CompoundInfo(served_from="model", model="m", provider="p", simulated=False)
    known = CompoundInfo(served_from="model", model="m", provider="p", simulated=False, cost_nano_usd=1_500_000_000)

    assert (unknown.cost_usd, known.cost_usd) == (None, 1.5)


@pytest.mark.parametrize(("created", "taken"), [(17.9, 17), (10**400, 0), (math.inf, 0), (-1, 0), (True, 0), ("1", 0)])
def test_a_date_that_is_none_is_0(created, taken):
    """A provider may send anything; a number of seconds is taken, and nothing else."""
    assert ChatCompletionChunk.from_raw({"id": "c", "created": created, "choices": []}).created == taken


def test_a_chunk_without_choices_carries_the_usage():
    """The last chunk of a stream may hold nothing else."""
    chunk = ChatCompletionChunk.from_raw(
        {"id": "c", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    )

    assert (chunk.choices, chunk.usage) == ([], Usage(1, 2))
