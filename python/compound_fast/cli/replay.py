"""`compound-fast replay`: recorded traffic through the real path, and what came of it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer
from rich.console import Console
from rich.progress import Progress

from compound_fast.cli.page import write
from compound_fast.cli.report import replay_page, show
from compound_fast.cli.tally import Classes, Tally
from compound_fast.cli.traffic import SAMPLE, Recorded, read_lines, read_traffic
from compound_fast.config import Config, LedgerConfig, ProviderConfig, RoutingConfig
from compound_fast.errors import CompoundFastError, ConfigError, TextError, TrafficError

if TYPE_CHECKING:
    from compound_fast.pipeline import Pipeline

__all__ = ["Replay", "replay"]

_UNMEASURED = dict.fromkeys(("p50", "p90", "p99"))


def replay(
    traffic: Annotated[
        str | None, typer.Argument(metavar="TRAFFIC.jsonl", help="JSON lines; - is standard input. [the sample]")
    ] = None,
    *,
    config_path: Annotated[
        Path | None, typer.Option("--config", help="A YAML file. [three simulated models]", metavar="FILE")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Send everything to this OpenAI-compatible server; key from OPENAI_API_KEY.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="What the server of --base-url calls its model. [the one it lists]")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many requests.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at a bad line, with exit code 2.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write one HTML page with plots.", metavar="OUT.html")] = None,
    ledger: Annotated[
        Path | None, typer.Option(help="Append one row a request to this file. [no rows]", metavar="ROWS.jsonl")
    ] = None,
) -> None:
    """Send recorded traffic through the real path.

    Says what it cost, what it would have cost without us, and what was served from where.
    A line is an OpenAI chat-completion body or {"text": ...}, with optional t_ms, tenant and cls.
    Without arguments it replays the sample traffic of an invented shop against simulated models.

    Example: compound-fast replay traffic.jsonl --config compound.yaml --report out.html
    """
    config = choose_config(config_path, base_url=base_url, model=model)
    # A rehearsal: whatever the file says, it neither finds what others stored nor leaves its answers to them, and its
    # rows stand in no books but those that it was given for itself.
    config = replace(
        config,
        cache=replace(config.cache, path=None, durability="interval"),
        ledger=LedgerConfig(path=None if ledger is None else str(ledger)),
    )
    for option, path in (("--report", report), ("--ledger", ledger)):
        if path is not None and not path.absolute().parent.is_dir():
            raise ConfigError(f"{option} {path}: there is no folder {path.parent}; make it first")
        if path is not None and path.is_dir():
            raise ConfigError(f"{option} {path} is a folder; name a file")
    one = Replay(config=config, limit=limit, strict=strict)
    name = traffic or f"{SAMPLE.name} (the sample that ships with compound-fast)"
    with open_traffic(traffic) as file, progress_of(file) as lines:
        try:
            asyncio.run(one.run(lines))
        except TrafficError as error:
            raise TrafficError(f"{traffic}: {error}; leave --strict out to skip such lines", line=error.line) from error
    figures = one.figures()
    if report is not None:
        write(report, replay_page(figures, one.tally, traffic=name))
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
    else:
        show(figures, traffic=name)
    if one.failures:
        kinds = ", ".join(f"{count} {kind}" for kind, count in one.failures.most_common())
        typer.echo(f"failed: {kinds}; the last: {one.last_failure}", err=True)
    if one.has_nothing_answered:
        raise typer.Exit(1)


def choose_config(config_path: Path | None, *, base_url: str | None, model: str | None) -> Config:
    """Return the configuration that the options ask for.

    Raises
    ------
    ConfigError
        If the options do not go together, or the file is wrong.
    """
    if base_url is None:
        if model is not None:
            raise ConfigError(f"--model {model} needs --base-url: it names the one model of that server")
        return Config.load(config_path) if config_path else Config.default()
    if config_path is not None:
        return Config.load(config_path).with_base_url(base_url, model=model)
    default = Config.default().with_base_url(base_url)  # checks the address before anything is sent there
    model = model or _sole_model(default.providers["server"])
    # One real model: the prices and rules of the simulated ones say nothing about it.
    only = replace(default.models[default.baseline], name=model, upstream_model=model, prices=None)
    return replace(default, source="--base-url", models={model: only}, baseline=model, routing=RoutingConfig())


def _sole_model(server: ProviderConfig) -> str:
    """Return the name of the one model that a server lists; "default" where it lists none, as small servers do.

    Raises
    ------
    ConfigError
        If it lists several, or the key is none.
    """
    import httpx  # here, so that the other commands load no HTTP client

    key = server.read_api_key()
    try:
        answer = httpx.get(
            f"{server.base_url}/models", headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=10
        )
        names = [str(model["id"]) for model in answer.json()["data"]]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError, RecursionError):
        names = []  # a server that cannot be reached, or refuses the key, says so at the first request
    if len(names) > 1:
        raise ConfigError(
            f"--base-url {server.base_url} has {len(names)} models ({', '.join(names[:5])}, ...); choose one by --model"
        )
    return names[0] if names else "default"


@dataclass
class Replay:
    """One run over recorded traffic, one request after the other.

    Parameters
    ----------
    config : Config
        What the path runs on.
    limit : int or None
        Stop after so many requests.
    strict : bool
        Raise at a bad line in place of skipping it.
    """

    config: Config
    limit: int | None = None
    strict: bool = False
    skipped: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    last_failure: str = ""
    tally: Tally = field(default_factory=Tally)
    classes: Classes = field(init=False)
    _totals: dict[str, Any] = field(init=False)

    async def run(self, lines: Iterable[bytes]) -> None:
        """Send every request of `lines`.

        Raises
        ------
        TrafficError
            At a bad line, if `strict`.
        """
        from compound_fast._core import ManualClock
        from compound_fast.pipeline import Pipeline  # here, so that the other commands load no HTTP client

        clock = ManualClock()
        async with Pipeline.from_config(self.config, clock=clock) as pipeline:
            cache = pipeline.cache
            self.classes = Classes(is_stored=(lambda _: False) if cache is None else cache._core.contains)
            sent = 0
            for recorded in read_traffic(lines, on_bad_line=self._skip):
                if recorded.t_ms is not None and recorded.t_ms > clock.now_ms:
                    clock.set(recorded.t_ms)  # a line out of order does not turn the clock back
                sent += await self._send(pipeline, recorded)
                if sent == self.limit:
                    break
            self._totals = pipeline.ledger.totals()

    async def _send(self, pipeline: Pipeline, recorded: Recorded) -> bool:
        """Send one request; False where it turned out to be none."""
        started = perf_counter()
        try:
            reply = await pipeline.complete(recorded.body, recorded.options)
        except TextError as error:
            self._skip(TrafficError(f"line {recorded.line}: {error}", line=recorded.line))
            return False
        except CompoundFastError as error:
            self.failures[type(error).__name__] += 1
            self.last_failure = f"line {recorded.line}: {error}"
            self.tally.failed(pipeline.ledger.totals()["cost_nano_usd"])
            return True
        self.tally.answered(reply.compound, (perf_counter() - started) * 1e6)
        self.classes.note(recorded.cls, reply.compound)
        return True

    def _skip(self, error: TrafficError) -> None:
        if self.strict:
            raise error
        self.skipped += 1
        typer.echo(str(error), err=True)

    @property
    def has_nothing_answered(self) -> bool:
        """Whether there were lines, and every one of them failed or was skipped."""
        failed = self.failures.total()
        return failed + self.skipped > 0 and failed == self._totals["requests"]

    def figures(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        totals, models = self._totals, self.config.models
        cost, baseline, unpriced = totals["cost_nano_usd"], totals["baseline_nano_usd"], totals["unpriced"]
        answering = {name: count for name, count in totals["models"].items() if count["requests"]}
        answered = totals["requests"] - totals["served"]["failed"]
        priced = not unpriced or any(count["unpriced"] < count["requests"] for count in answering.values())
        has_baseline = priced and answered > 0 and models[self.config.baseline].prices is not None
        # A model without a price makes the priced requests a selection. A broken connection, whose cost is unknown too,
        # does not: the sums leave it out on both sides, and `unpriced` says how often.
        comparable = has_baseline and all(models[name].prices is not None for name in answering)
        hits = self.classes.right + self.classes.wrong
        return {
            "requests": totals["requests"],
            "skipped": self.skipped,
            "simulated": any(self.config.providers[model.provider].kind == "simulated" for model in models.values()),
            "served": totals["served"],
            "wrong_hits": self.classes.wrong if self.classes.seen else None,
            "right_hits": self.classes.right if self.classes.seen else None,
            "wrong_per_hit": self.classes.wrong / hits if hits else None,
            "tokens": totals["tokens"],
            "cost_usd": cost / 1e9 if priced else None,
            "baseline_cost_usd": baseline / 1e9 if has_baseline else None,
            "saving": 1 - cost / baseline if comparable and baseline else None,
            "models": {name: self._model(name, counts) for name, counts in totals["models"].items()},
            # The meter times to the decision whatever was sent, and to the end what was answered.
            "decision_us": totals["decision_us"] if totals["requests"] else _UNMEASURED,
            "end_to_end_us": totals["end_to_end_us"] if answered else _UNMEASURED,
            "unpriced": unpriced,
            "baseline": self.config.baseline,
            "config": self.config.source,
        }

    def _model(self, name: str, counts: dict[str, Any]) -> dict[str, Any]:
        model = self.config.models[name]
        return {
            "requests": counts["requests"],
            "input_tokens": counts["input_tokens"],
            "output_tokens": counts["output_tokens"],
            "cost_usd": None if model.prices is None else counts["cost_nano_usd"] / 1e9,
            "tier": model.tier,
        }


@contextmanager
def open_traffic(name: str | None) -> Iterator[BinaryIO]:
    """Open a file, standard input for ``-``, or the sample.

    Raises
    ------
    ConfigError
        If it cannot be opened.
    """
    if name == "-":
        yield sys.stdin.buffer
        return
    path = Path(name) if name else SAMPLE
    try:
        file = path.open("rb")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give a file of JSON lines, or - for standard input") from error
    with file:
        yield file


@contextmanager
def progress_of(file: BinaryIO) -> Iterator[Iterable[bytes]]:
    """The lines of `file`, with a bar on standard error that follows them; no bar where it is not a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield read_lines(file)
        return
    size = os.fstat(file.fileno()).st_size if file.seekable() else None
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("replaying", total=size)

        def lines() -> Iterator[bytes]:
            for line in read_lines(file):
                progress.advance(task, len(line))
                yield line

        yield lines()
