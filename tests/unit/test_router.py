"""The router, as its users see it."""

from __future__ import annotations

from dataclasses import replace
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


MODELS = [{"name": "small", "tier": "weak", "price": {"input": 1, "output": 2}}, {"name": "large", "tier": "strong"}]


def test_a_router_is_made_of_models_and_a_policy() -> None:
    """No provider and no file is needed; models are mappings or ModelConfig, a policy a mapping or RoutingConfig."""
    policy = {"rules": [{"name": "tools", "when": {"has_tools": True}, "use": "large"}]}
    router = cf.Router(MODELS, policy=policy)
    config = cf.Config.default()
    same = cf.Router(models=list(config.models.values()), policy=config.routing)

    assert router.route("Where is my order?").candidates == ["small", "large"]
    assert router.route({"messages": [{"role": "user", "content": "hi"}], "tools": [{}]}).model == "large"
    assert cf.Router(MODELS).route("Where is my order?").expected_cost_usd is not None
    code = "Why does `def f(): return g()` fail?"
    assert same.route(code).reasons == cf.Router.from_config(config).route(code).reasons == ['rule "code" -> medium']


@pytest.mark.parametrize(
    ("models", "policy", "words"),
    [
        ([], None, "at least one"),
        (3, None, "models is 3; a list"),
        ("small", None, "models is 'small'; a list"),
        ([{"name": "small"}], None, r"models\[0\].tier is missing"),
        ([{"name": "auto", "tier": "weak"}], None, r"models\[0\].* cannot be a model's name"),
        ([*MODELS, MODELS[0]], None, r"models\[2\].name is 'small', as that of another model"),
        (MODELS, {"rule": []}, r"routing.rule is no key .* 'rules'"),
        (MODELS, {"rules": [{"name": "a", "when": {"has_coed": True}, "use": "small"}]}, r"rules\[0\].when.has_coed"),
        (MODELS, {"rules": [{"name": "a", "when": {"has_code": True}, "use": "medium"}]}, r"rules\[0\].use"),
        (MODELS, 7, "routing is 7"),
        ([replace(cf.Config.default().models["sim-weak"], context_window="x")], None, "context_window|invalid type"),
        ([replace(cf.Config.default().models["sim-weak"], tier={1})], None, "wrong kind of value"),
    ],
)
def test_wrong_models_and_policies_are_refused_with_their_place(models: object, policy: object, words: str) -> None:
    """The message names the key as a configuration's would."""
    with pytest.raises(cf.ConfigError, match=words):
        cf.Router(models, policy=policy)  # type: ignore[arg-type]
