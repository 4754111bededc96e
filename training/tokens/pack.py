"""Packs the public rank files and the Unicode classes into `rust/core/src/tokens/data/`.

    python training/tokens/pack.py --vocab DIR

DIR holds `o200k_base.tiktoken` and `cl100k_base.tiktoken` as OpenAI publishes them (MIT, see data/NOTICE). The files
are checked against the hashes that tiktoken itself expects, and what is written is checked by its own hash in
`data/SHA256SUMS`. The classes come from `unicodedata2==16.0.0`: tiktoken 0.14 has the tables of Unicode 16, and the
standard library's tables follow the Python version.

Formats, little-endian. `*.ranks`: for rank 0, 1, 2, ...: one byte of length, then the token's bytes. `classes.runs`:
one u32 a run of code points with one class, `class << 24 | first code point`, ascending; the last run ends at
U+10FFFF.
"""

import argparse
import base64
import hashlib
import pathlib
import struct

SHA256 = {
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}
# The property White_Space of Unicode 16, which is what `\s` means in the encodings' patterns.
WHITE_SPACE = {
    *range(0x09, 0x0E),
    0x20,
    0x85,
    0xA0,
    0x1680,
    *range(0x2000, 0x200B),
    0x2028,
    0x2029,
    0x202F,
    0x205F,
    0x3000,
}
OTHER, UPPER, LOWER, BOTH, NUMBER, SPACE, MARK = range(7)


def pack_ranks(path: pathlib.Path, expected: str) -> bytes:
    """The tokens of a rank file in the order of their ranks, each after its length."""
    raw = path.read_bytes()
    if hashlib.sha256(raw).hexdigest() != expected:
        raise SystemExit(f"{path}: sha256 differs from the one that tiktoken expects")
    packed = bytearray()
    for rank, line in enumerate(raw.splitlines()):
        encoded, number = line.split()
        token = base64.b64decode(encoded)
        if int(number) != rank or not 1 <= len(token) <= 255:
            raise SystemExit(f"{path}: line {rank + 1} is out of order or too long")
        packed.append(len(token))
        packed += token
    return bytes(packed)


def class_of(category: str, code_point: int) -> int:
    """The class of a code point, as `classes.rs` names them."""
    if code_point in WHITE_SPACE:
        return SPACE
    if category in ("Lu", "Lt"):
        return UPPER
    if category == "Ll":
        return LOWER
    if category in ("Lm", "Lo"):
        return BOTH
    return {"M": MARK, "N": NUMBER}.get(category[0], OTHER)


def pack_classes() -> bytes:
    """Runs of code points of one class."""
    import unicodedata2

    if unicodedata2.unidata_version != "16.0.0":
        raise SystemExit(f"unicodedata2 has Unicode {unicodedata2.unidata_version}; 16.0.0 is pinned")
    packed, last = bytearray(), None
    for code_point in range(0x110000):
        found = class_of(unicodedata2.category(chr(code_point)), code_point)
        if found != last:
            packed += struct.pack("<I", found << 24 | code_point)
            last = found
    return bytes(packed)


def main() -> None:
    """Writes the three files and their hashes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocab", type=pathlib.Path, required=True, help="folder of the two rank files")
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--out", type=pathlib.Path, default=root / "rust/core/src/tokens/data")
    args = parser.parse_args()
    files = {f"{name}.ranks": pack_ranks(args.vocab / f"{name}.tiktoken", sha256) for name, sha256 in SHA256.items()}
    files["classes.runs"] = pack_classes()
    args.out.mkdir(parents=True, exist_ok=True)
    sums = []
    for name, data in sorted(files.items()):
        (args.out / name).write_bytes(data)
        sums.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
    (args.out / "SHA256SUMS").write_text("".join(sums))


if __name__ == "__main__":
    main()
