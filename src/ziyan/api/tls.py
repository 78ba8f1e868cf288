"""The certificate that the service shows."""

from __future__ import annotations

import ssl

from ziyan.errors import SettingsError
from ziyan.settings import Settings


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """What to serve HTTPS with; None where no certificate is set.

    Raises:
        SettingsError: One of the two files is not named, cannot be read, or does not fit the other.
    """
    certificate, key = settings.tls_cert, settings.tls_key
    if not certificate and not key:
        return None
    if not certificate or not key:
        raise SettingsError("ZIYAN_TLS_CERT, ZIYAN_TLS_KEY: both are needed, or neither")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")  # or OpenSSL would ask on the terminal
    except ssl.SSLError as error:
        raise SettingsError(
            "ZIYAN_TLS_CERT, ZIYAN_TLS_KEY: not a certificate (its whole chain, PEM) and its key (PEM, no password): "
            f"{error.reason or error}"
        ) from None
    except OSError as error:
        raise SettingsError(f"ZIYAN_TLS_CERT, ZIYAN_TLS_KEY: cannot be read: {error.strerror}") from None
    return context
