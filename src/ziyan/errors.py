"""One tree of errors, each with a stable code, an HTTP status, an exit code and a text that is safe to show.

``str(error)`` is the public text: it tells the caller what happened and what to do next, and never holds a path of
this machine, a secret, a picture or recognised text.  What only the operator may read goes into ``internal``.

Which answer of the wire contract an error becomes is decided in ``ziyan.api``; no class here knows an HTTP body.
"""

from __future__ import annotations


class ZiyanError(Exception):
    """Base of every error Ziyan raises on purpose.

    Attributes:
        code: Stable identifier, lower-case words joined by ``_``; documented in ``docs/errors.md``.
        status: HTTP status of the native API (``/ocr`` has its own table).
        exit_code: Exit status of the command line.
        internal: Text for the operator's log; never sent to a caller.
    """

    code = "internal_error"
    status = 500
    exit_code = 70

    def __init__(self, message: str, *, internal: str = "") -> None:
        """Keep the public ``message`` apart from the ``internal`` one."""
        super().__init__(message)
        self.internal = internal

    def __reduce__(self) -> tuple[object, ...]:
        """Cross a process boundary with both texts."""
        return _rebuild, (type(self), str(self), self.internal)


def _rebuild(kind: type[ZiyanError], message: str, internal: str) -> ZiyanError:
    return kind(message, internal=internal)


class SettingsError(ZiyanError):
    """A ``ZIYAN_…`` setting has an unusable value."""

    code = "bad_setting"
    exit_code = 78


class InputError(ZiyanError):
    """A path given on the command line cannot be read or written."""

    code = "bad_path"
    status = 400
    exit_code = 66


# --- pictures -------------------------------------------------------------------------------------------------


class ImageError(ZiyanError):
    """The picture cannot be read; nothing is wrong with the service."""

    code = "bad_image"
    status = 422
    exit_code = 65


class UnsupportedImageError(ImageError):
    """The bytes are not a picture of an accepted kind, judged by their content."""

    code = "unsupported_image"
    status = 415


class ImageTooLargeError(ImageError):
    """More bytes, pixels or a longer side than the limits allow; refused from the header, before decoding."""

    code = "image_too_large"
    status = 413


class UndecodableImageError(ImageError):
    """The right kind, but damaged, truncated or of a flavour that is refused (12-bit JPEG)."""

    code = "undecodable_image"


# --- weights --------------------------------------------------------------------------------------------------


class ModelError(ZiyanError):
    """Weights are missing, damaged or cannot be fetched."""

    code = "model_unavailable"
    status = 503
    exit_code = 69


class ModelNotInstalledError(ModelError):
    """The weights of a model are not in the data folder."""

    code = "model_not_installed"


class ModelIntegrityError(ModelError):
    """A file's SHA-256 is not the manifest's."""

    code = "model_integrity"


class ModelSourceError(ModelError):
    """No source could give the file (offline, not found, interrupted)."""

    code = "model_source"


# --- engine ---------------------------------------------------------------------------------------------------


class EngineError(ZiyanError):
    """Reading failed through no fault of the picture."""

    code = "engine_failed"
    exit_code = 75


class EngineBusyError(EngineError):
    """The queue is full; try again after ``retry_after`` seconds."""

    code = "engine_busy"
    status = 503
    retry_after = 1


class EngineTimeoutError(EngineError):
    """The deadline passed; the work was stopped."""

    code = "engine_timeout"
    status = 504


class ReaderCrashedError(EngineError):
    """The reading process died under this picture; another has taken its place."""

    code = "reader_crashed"


class EngineClosedError(EngineError):
    """The engine is not started or is shutting down."""

    code = "engine_closed"
    status = 503


class ServiceError(ZiyanError):
    """The service that was asked to read refuses, cannot be reached, or is none."""

    code = "service_refused"
    status = 502
    exit_code = 69


# --- fetching -------------------------------------------------------------------------------------------------


class FetchError(ZiyanError):
    """A picture's address could not be fetched: malformed, refused, timed out, not 200, too large.

    Attributes:
        reason: Which of these, in stable words joined by ``_``, for the operator's log.
    """

    code = "fetch_failed"
    status = 422
    exit_code = 65

    def __init__(self, message: str, *, reason: str = "failed", internal: str = "") -> None:
        """Keep the ``reason`` besides."""
        super().__init__(message, internal=internal)
        self.reason = reason


# --- metering -------------------------------------------------------------------------------------------------


class QuotaError(ZiyanError):
    """No call is left in the app's packages."""

    code = "quota_exhausted"
    status = 403


class SubscriptionExpiredError(QuotaError):
    """All packages of the app have expired."""

    code = "subscription_expired"


class KeyReusedError(ZiyanError):
    """The Idempotency-Key was used for another request within the last 24 hours."""

    code = "idempotency_key_reused"
    status = 422


class AlreadyTakenError(ZiyanError):
    """Another call has what may be billed once only."""

    code = "already_taken"
    status = 409


class NotFoundError(ZiyanError):
    """There is no account, app, order, package or item of this identifier."""

    code = "not_found"
    status = 404
    exit_code = 66


class ConflictError(ZiyanError):
    """What is asked for does not go with the state that the thing is in; nothing was changed."""

    code = "conflict"
    status = 409
    exit_code = 65


# --- store ----------------------------------------------------------------------------------------------------


class StoreError(ZiyanError):
    """The database is away, locked or full."""

    code = "store_unavailable"
    status = 503
    exit_code = 74


# --- operators and buyers -------------------------------------------------------------------------------------


class SignInError(ZiyanError):
    """No token was sent with the request, or one that does not work."""

    code = "sign_in_required"
    status = 401
    exit_code = 77


class ScopeError(ZiyanError):
    """The token may not do this."""

    code = "missing_scope"
    status = 403
    exit_code = 77


class TooManyTriesError(ZiyanError):
    """Too many requests, or too many wrong tokens, came from one address; try again after ``retry_after`` seconds."""

    code = "too_many_tries"
    status = 429
    exit_code = 75
    retry_after = 1


class InvalidRequestError(ZiyanError):
    """A parameter or the body of a request is not as the API's document says."""

    code = "invalid_request"
    status = 422
    exit_code = 64
