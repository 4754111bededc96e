"""Any server with an OpenAI-compatible ``/embeddings``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from compound_fast._arguments import check_texts
from compound_fast._keys import check_key
from compound_fast.errors import ConfigError, DispatchError, TextError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx
    import numpy as np
    from numpy.typing import NDArray


MAX_REPLY_BYTES = 64 << 20
"""Most bytes of a reply, as for an answer to a chat: a server that sends without end does not fill the memory."""


class OpenAIEmbedder:
    """Vectors from a server, in batches.

    Not for the path of a cache that should answer in microseconds: every text is a round trip.

    Parameters
    ----------
    model : str
        The server's name for the model.
    base_url : str
        Where ``/embeddings`` stands, as in ``https://host/v1``.
    api_key : str or None, default None
        Sent as a bearer token; never shown in an error.
    batch : int, default 256
        Most texts a call. Its reply may have 64 MiB: room for 512 texts at 4,096 dimensions, and more at fewer.
    timeout_s : float, default 30
        For each call.
    transport : httpx.BaseTransport or None
        For tests and proxies.

    Raises
    ------
    ConfigError
        If `batch` is not positive, `base_url` is no address, or `api_key` holds anything but visible ASCII characters.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        api_key: str | None = None,
        batch: int = 256,
        timeout_s: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        import httpx

        if batch < 1:
            raise ConfigError(f"batch={batch} is not a positive number of texts")
        headers = {} if api_key is None else {"Authorization": f"Bearer {check_key(api_key, named='api_key')}"}
        try:
            self._client = httpx.Client(
                base_url=base_url.rstrip("/") + "/", headers=headers, timeout=timeout_s, transport=transport
            )
        except httpx.InvalidURL as error:
            raise ConfigError(f"base_url={base_url!r} is no address: {error}") from None
        self._model = model
        self._batch = batch

    @property
    def id(self) -> str:
        """The model's name; servers that serve two models under one name break it."""
        return f"openai:{self._model}"

    def embed(self, text: str) -> NDArray[np.float32]:
        """Return the unit vector of a text, shape ``(dim,)``: one round trip. Raises as `embed_batch` does."""
        vector: NDArray[np.float32] = self.embed_batch([text])[0]
        return vector

    def embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape ``(len(texts), dim)``, in the order of the texts.

        Raises
        ------
        ConfigError
            If `texts` is one str.
        TextError
            If a text is not UTF-8 (a lone surrogate).
        DispatchError
            If the server cannot be reached, refuses, sends more than 64 MiB, or does not send one vector of finite
            numbers for each text.
        """
        import numpy as np

        texts = check_texts("texts", texts)
        rows: list[NDArray[np.float32]] = []
        for start in range(0, len(texts), self._batch):
            rows += self._ask(texts[start : start + self._batch])
        if len({row.shape for row in rows}) > 1:
            raise DispatchError("the embedding server sent vectors of different lengths", **_context())
        vectors = np.asarray(rows, np.float32).reshape(len(rows), -1)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, norms, out=vectors, where=norms > 0)
        return vectors

    def __repr__(self) -> str:
        return f"OpenAIEmbedder({self._model!r}, base_url={str(self._client.base_url)!r})"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, texts: list[str]) -> list[NDArray[np.float32]]:
        import httpx

        # None of these errors is chained: the cause may quote a header, a text, or what the server sent.
        try:
            with self._client.stream("POST", "embeddings", json={"model": self._model, "input": texts}) as response:
                reply = self._read(response) if response.status_code == 200 else b""
        except UnicodeEncodeError:
            raise TextError("a text holds a lone surrogate, which has no UTF-8 form; remove or replace it") from None
        except (httpx.HTTPError, UnicodeError) as error:
            raise DispatchError(f"no vectors from the embedding server: {type(error).__name__}", **_context()) from None
        if response.status_code != 200:
            raise DispatchError(
                f"the embedding server answered {response.status_code}", **_context(response.status_code)
            )
        try:
            data = sorted(json.loads(reply)["data"], key=lambda item: item["index"])
            vectors = [_vector(item["embedding"]) for item in data]
        except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
            raise DispatchError(f"no vectors from the embedding server: {type(error).__name__}", **_context()) from None
        if len(vectors) != len(texts):
            raise DispatchError(f"{len(vectors)} vectors came for {len(texts)} texts", **_context())
        return vectors

    def _read(self, response: httpx.Response) -> bytes:
        parts: list[bytes] = []
        size = 0
        for part in response.iter_bytes():
            size += len(part)
            if size > MAX_REPLY_BYTES:
                raise DispatchError(
                    f"the reply of the embedding server is larger than {MAX_REPLY_BYTES} bytes; "
                    f"make batch={self._batch} smaller",
                    **{**_context(), "retryable": False},
                )
            parts.append(part)
        return b"".join(parts)


def _vector(numbers: object) -> NDArray[np.float32]:
    import numpy as np

    with np.errstate(over="ignore"):  # beyond the range is infinite, and refused below
        vector = np.asarray(numbers, np.float32)
    if vector.ndim != 1 or not vector.size or not np.isfinite(vector).all():
        raise ValueError("a vector is no list of finite numbers")
    return vector


def _context(status: int | None = None) -> dict[str, Any]:
    return {"provider": "embeddings", "attempt": 1, "retryable": status is None or status == 429 or status >= 500}
