"""The router, as its users see it."""

from __future__ import annotations

from pathlib import Path

import pytest

import compound_fast as cf


@pytest.fixture(scope="module")
def router() -> cf.Router:
    """The router of the embedded configuration."""
    return cf.Router.from_config(cf.Config.default())


def test_an_easy_request_goes_to_the_weak_model(router: cf.Router) -> None:
    """A short question is cheap to answer; stronger models stand behind as fallbacks."""
    decision = router.route("Where is my order?")

    assert decision.candidates == ["sim-weak", "sim-medium", "sim-strong"]
    assert decision.model == "sim-weak"
    assert decision.scores["complexity"] < 0.35
    assert decision.expected_cost_usd is not None
    assert 0 < decision.expected_cost_usd < 0.001
    assert "complexity" in decision.reasons[0]


def test_code_goes_by_the_rule_for_code(router: cf.Router) -> None:
    """The first rule that holds decides, and says so."""
    decision = router.route("Why does `def f(): return g()` fail?")

    assert decision.model == "sim-medium"
    assert decision.reasons == ['rule "code" -> medium']


def test_a_long_hard_request_goes_to_the_strong_model(router: cf.Router) -> None:
    """Length, reasoning words and several questions together reach the strong tier."""
    hard = (
        "Compare the two warranty plans and explain the trade-off between them. Why is one dearer? "
        "Evaluate which is better for a family of four, justify your choice, and plan what to do if both run out. "
    ) * 3

    assert router.route(hard).model == "sim-strong"


def test_a_named_model_is_the_only_candidate(router: cf.Router) -> None:
    """A request that names a configured model gets that one; an unknown name is an error that lists the known ones."""
    messages = [{"role": "user", "content": "hi"}]

    assert router.route({"model": "sim-strong", "messages": messages}).candidates == ["sim-strong"]
    with pytest.raises(cf.NoCandidateError, match=r'"gpt-9" is not configured.*sim-weak'):
        router.route({"model": "gpt-9", "messages": messages})


def test_a_request_too_long_for_every_window_is_an_error(router: cf.Router) -> None:
    """No model is asked for what it cannot hold."""
    body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 300_000}

    with pytest.raises(cf.NoCandidateError, match="left out"):
        router.route(body)


def test_a_path_is_read_as_a_configuration(tmp_path: Path) -> None:
    """Router.from_config takes a path, too."""
    path = tmp_path / "compound.yaml"
    path.write_text(
        "version: 1\nbaseline: m\nproviders: {p: {kind: simulated}}\nmodels: {m: {provider: p, tier: weak}}\n"
    )

    decision = cf.Router.from_config(path).route("hi")

    assert (decision.model, decision.expected_cost_usd) == ("m", None)
