"""All settings, read once.  Nothing else in the package looks at the environment."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ziyan.errors import SettingsError

Auto = Literal["auto"]
ModelName = Literal["tiny", "small", "medium"]
MODEL_NAMES: tuple[ModelName, ...] = get_args(ModelName)
Count = Annotated[int, Field(ge=1, le=1024)]
PREFIX = "ZIYAN_"
#: What clients read, as in docs/samples; known here so that nobody is warned of them.
_CLIENTS = frozenset({"ZIYAN_URL", "ZIYAN_APPCODE", "ZIYAN_CREDENTIALS"})


def default_data_dir() -> Path:
    """``$XDG_DATA_HOME/ziyan``, or ``~/.local/share/ziyan`` where that is not set."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "ziyan"


class Settings(BaseSettings):
    """Every ``ZIYAN_…`` setting.  ``docs/settings.md`` is the same table; a test holds the two together."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for every network.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; if it is taken, a free one is chosen.")
    tls_cert: str = Field("", description="File of the certificate and its chain, PEM; empty: no TLS.")
    tls_key: str = Field("", description="File of the certificate's key, PEM, without a password.")
    trusted_proxies: str = Field(
        "", description="Addresses or networks, separated by commas, of proxies whose X-Forwarded-For is believed."
    )
    rate_app: float = Field(500, ge=0, le=1e6, description="Calls a second that one app may make; 0: no limit.")
    rate_address: float = Field(
        500, ge=0, le=1e6, description="Calls a second that may come from one address; 0: no limit."
    )
    connections_address: int = Field(
        256, ge=0, le=1_000_000, description="Connections that one address may hold; 0: no limit."
    )
    body_memory: int = Field(
        256, ge=8, description="MiB that the bodies of all requests under way may take; more are refused (503)."
    )
    data_dir: Path = Field(
        default_factory=default_data_dir, description="Folder of everything that lasts: weights, database, key."
    )
    database_url: str = Field("", description="SQLAlchemy address of the database; empty: SQLite in the data folder.")
    model: ModelName = Field("small", description="Weights that read.")
    models: str = Field(
        "",
        description="Further weights that a call to /v1/ocr may name, separated by commas; each reading process loads "
        "them at its start. ZIYAN_MODEL and tiny can always be named.",
    )
    runtime: Literal["auto", "openvino", "onnxruntime"] = Field(
        "auto", description="Inference runtime; auto: OpenVINO with AVX-512 or AMX, else ONNX Runtime."
    )
    precision: Literal["auto", "f32", "bf16"] = Field(
        "auto", description="Arithmetic of OpenVINO; auto: bf16 where the CPU has it built in, else f32."
    )
    workers: Count | Auto = Field("auto", description="Reading processes; auto: one for each two cores.")
    threads: Count | Auto = Field("auto", description="Threads of each reading process; auto: cores / workers.")
    queue: int = Field(8, ge=1, le=10_000, description="Pictures that may wait for a reader; more are refused (503).")
    deadline: float = Field(
        30.0,
        gt=0,
        le=600,
        description="Seconds after which a picture is given up (504), waiting for a reader included.",
    )
    worker_memory: int = Field(
        1200, ge=200, description="MiB of resident memory at which a reading process is replaced after its picture."
    )
    max_pixels: int = Field(64_000_000, ge=10_000, description="Width times height above which a picture is refused.")
    trial_calls: int = Field(50, ge=0, description="Calls of the trial app, given once; 0: none.")
    timezone: str = Field("Asia/Shanghai", description="Zone that days and months are counted in, by its IANA name.")
    usage_days: int = Field(
        400, ge=1, le=36_500, description="Days that the events of single calls are kept; sums of them stay for ever."
    )
    secret_key: str = Field(
        "", repr=False, description="Key for stored credentials; empty: made once in the data folder."
    )
    ver_semantics: Literal["samples", "labels"] = Field(
        "samples", description="Which value of `ver` gives blocks: 1 as in the page's samples, 0 as in its labels."
    )
    appcode_in_query: bool = Field(True, description="Accept the AppCode as a query parameter `appcode` too.")
    replayable_signatures: bool = Field(
        True, description="Accept AppKey signatures over no X-Ca-Timestamp or no X-Ca-Nonce, which can be replayed."
    )
    appcode: str = Field("", repr=False, description="AppCode that `ziyan read --server` signs in with.")
    fetch_allow: str = Field(
        "", description="Host names, separated by commas, that `url` may name although they are private."
    )
    fetch_ports: str = Field("80,443", description="Ports that `url` may name, separated by commas.")
    fetch_ca: str = Field(
        "",
        description="PEM file, or folder of such, with authorities that are believed besides the public ones "
        "when `url` is https.",
    )
    mail_server: str = Field(
        "",
        repr=False,
        pattern=r"^(smtps?://\S+)?$",
        description="Mail server for notices: `smtp://` or `smtps://`, `user:password@host:port`; empty: no mail.",
    )
    mail_from: str = Field(
        "ziyan@localhost", pattern=r"^[^@\s<>]+@[^@\s<>]+$", description="Address that mail comes from."
    )
    models_mirror: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="Address that replaces https://huggingface.co when weights come from the model hub.",
    )
    support_contact: str = Field(
        "", max_length=200, description="Whom the pages name for help: a mail address, a phone number, a web address."
    )
    trial_public: Literal["auto", "always", "never"] = Field(
        "auto", description="Who finds the trial AppCode on the try page; auto: browsers on this machine alone."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")

    @classmethod
    def load(cls, **overrides: Any) -> Settings:
        """Read the environment; ``overrides`` (from the command line) win.

        Raises:
            SettingsError: A value is unusable; the text names the setting and what it takes.
        """
        try:
            return cls(**overrides)
        except ValidationError as error:
            raise SettingsError(_explain(error.errors())) from None

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        """Resolve ``~`` and relative paths once, so that a later change of directory changes nothing."""
        return value.expanduser().absolute()

    @field_validator("fetch_ports")
    @classmethod
    def _ports(cls, value: str) -> str:
        """Refuse at the start what would otherwise be noticed when the service already listens."""
        if not listed(value) or not all(re.fullmatch("[0-9]{1,5}", port) for port in listed(value)):
            raise PydanticCustomError("ports", "Input should be port numbers, separated by commas")
        return value

    @field_validator("models")
    @classmethod
    def _models(cls, value: str) -> str:
        if set(listed(value)) - set(MODEL_NAMES):
            names = ", ".join(MODEL_NAMES)
            raise PydanticCustomError("models", "Input should be of {names}, separated by commas", {"names": names})
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        try:
            _parse_networks(value)
        except ValueError:
            raise PydanticCustomError(
                "networks", "Input should be addresses or networks, separated by commas"
            ) from None
        return value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # the latter for the name of a folder of zones
            raise PydanticCustomError("timezone", "Input should be a zone such as Asia/Shanghai or UTC") from None
        return value

    @field_validator("fetch_ca")
    @classmethod
    def _authorities(cls, value: str) -> str:
        """Load them once: a file that is missing or holds no certificate must not show at the first https address."""
        try:
            if value:
                load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), value)
        except OSError:
            raise PydanticCustomError("ca", "Input should be a PEM file of certificates, or a folder of such") from None
        return value

    @property
    def proxy_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Where trusted proxies stand."""
        return _parse_networks(self.trusted_proxies)

    @property
    def zone(self) -> ZoneInfo:
        """What days and months are counted in."""
        return ZoneInfo(self.timezone)

    @property
    def models_dir(self) -> Path:
        """Where weights are installed."""
        return self.data_dir / "models"

    @property
    def further_models(self) -> tuple[ModelName, ...]:
        """Weights that are loaded besides ``model``, each once."""
        names = dict.fromkeys(cast("list[ModelName]", listed(self.models)))
        return tuple(name for name in names if name != self.model)

    @property
    def store_url(self) -> str:
        """SQLAlchemy address of the database."""
        return self.database_url or f"sqlite:///{self.data_dir / 'ziyan.db'}"

    @property
    def worker_count(self) -> int:
        """Reading processes, the automatic choice resolved."""
        return max(1, cores() // 2) if self.workers == "auto" else self.workers

    @property
    def thread_count(self) -> int:
        """Threads of each reading process, the automatic choice resolved."""
        return max(1, cores() // self.worker_count) if self.threads == "auto" else self.threads


def unknown_settings(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables that look like settings and are none, with the most similar setting; that is empty if none is similar.

    Args:
        environment: Where to look; None takes the process's own.
    """
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    given = os.environ if environment is None else environment
    unknown = [name for name in given if name.upper().startswith(PREFIX) and name.upper() not in {*known, *_CLIENTS}]
    return {name: next(iter(get_close_matches(name.upper(), known, 1)), "") for name in sorted(unknown)}


def _parse_networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(item) for item in listed(text))


def _explain(problems: Sequence[Mapping[str, Any]]) -> str:
    """One sentence for each setting; pydantic reports every branch of a union apart."""
    reasons: dict[str, list[str]] = {}
    given: dict[str, object] = {}
    for problem in problems:
        name = PREFIX + str(problem["loc"][0]).upper()
        reasons.setdefault(name, []).append(str(problem["msg"]))
        given[name] = problem["input"]
    return "; ".join(f"{name}: {' or '.join(texts)}{_not(name, given[name])}" for name, texts in reasons.items())


def _not(name: str, given: object) -> str:
    """What was given instead, unless that may be secret."""
    field = Settings.model_fields[name.removeprefix(PREFIX).lower()]
    return f", not {given!r}" if field.repr else ""


def listed(text: str) -> list[str]:
    """The items of a setting that takes several, separated by commas."""
    return [item.strip() for item in text.split(",") if item.strip()]


def load_authorities(context: ssl.SSLContext, path: str) -> None:
    """Have ``context`` believe the certificates in a PEM file, or in every ``.pem``, ``.crt`` and ``.cer`` of a folder.

    Raises:
        OSError: There is no such file, or one that holds no certificate, or the folder has none.
    """
    given = Path(path).expanduser()
    found = [given]
    if given.is_dir():  # OpenSSL itself takes only folders whose files are named after a hash
        found = sorted(file for file in given.iterdir() if file.suffix.lower() in {".pem", ".crt", ".cer"})
    if not found:
        raise FileNotFoundError(path)
    for file in found:
        context.load_verify_locations(cafile=file)


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
