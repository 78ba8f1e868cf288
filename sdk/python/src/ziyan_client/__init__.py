"""Typed client of Ziyan, an OCR service that you run yourself: pictures in, pages out."""

from __future__ import annotations

from ziyan_client._client import AsyncClient, Client
from ziyan_client._errors import (
    AuthenticationError,
    BusyError,
    ConnectionFailedError,
    ForbiddenError,
    NoAnswerInTimeError,
    PictureError,
    ProblemError,
    RateLimitedError,
    ReadingTimeoutError,
    RequestError,
    ServiceError,
    ZiyanError,
)
from ziyan_client._page import Block, Character, Line, Page, Word
from ziyan_client._request import Detail, Model, Order, Orientation, Picture
from ziyan_client._retries import Retries

__version__ = "0.1.0"
__all__ = [
    "AsyncClient",
    "AuthenticationError",
    "Block",
    "BusyError",
    "Character",
    "Client",
    "ConnectionFailedError",
    "Detail",
    "ForbiddenError",
    "Line",
    "Model",
    "NoAnswerInTimeError",
    "Order",
    "Orientation",
    "Page",
    "Picture",
    "PictureError",
    "ProblemError",
    "RateLimitedError",
    "ReadingTimeoutError",
    "RequestError",
    "Retries",
    "ServiceError",
    "Word",
    "ZiyanError",
]
