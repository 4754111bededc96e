"""What one pass over the text of a request finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compound_fast._core import Features, Request
from compound_fast.request import to_body

if TYPE_CHECKING:
    from compound_fast.request import RequestLike

__all__ = ["Features", "extract"]


def extract(request: RequestLike) -> Features:
    """Return the features of a request: of its last user turn, and of its shape.

    Cost grows with the text: about 1 us for 100 characters, besides the parse of the request. The word lists are
    English.

    Raises
    ------
    TextError
        If the request is not a chat request.
    """
    return Request(to_body(request)).features
