"""`compound-fast check`: a configuration, line by line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from compound_fast.config import Config
from compound_fast.errors import ConfigError
from compound_fast.providers import make_providers

__all__ = ["check"]


def check(
    config_path: Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file, configuration v1.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Say what each line of a configuration will do.

    An unknown key is an error that names the nearest known one, and where it stands. So is what this machine lacks: the
    variable of a key, or the folder of the ledger. Nothing is connected.

    Example: compound-fast check compound.yaml
    """
    config = Config.load(config_path)
    make_providers(config)  # what a kind of provider needs is known by that kind alone; nothing is connected
    check_surroundings(config)
    lines = config.describe()
    if as_json:
        typer.echo(json.dumps({"file": str(config_path), "lines": [{"key": key, "does": does} for key, does in lines]}))
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for key, does in lines:
        table.add_row(key, does)
    console = Console(highlight=False)
    console.print(table)
    console.print(f"{config_path}: valid", markup=False)


def check_surroundings(config: Config) -> None:
    """Look for what a configuration needs beside itself.

    Raises
    ------
    ConfigError
        If the variable of a key is not set or holds no key, or the ledger cannot be written where it should be.
    """
    for provider in config.providers.values():
        try:
            provider.read_api_key()
        except ConfigError as error:
            raise ConfigError(f"{config.source}: {error}") from None
    if config.ledger.path is not None:
        path = Path(config.ledger.path)
        if not path.absolute().parent.is_dir():
            raise ConfigError(f"{config.source}: ledger.path is {str(path)!r}: there is no such folder; make it first")
        if path.is_dir():
            raise ConfigError(f"{config.source}: ledger.path is {str(path)!r}, which is a folder; name a file")
