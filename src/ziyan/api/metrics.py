"""Figures for Prometheus.  No label depends on a caller, so their number is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector
from starlette.responses import Response

from ziyan.engine.base import Engine

#: Seconds; from a refusal to the engine's deadline.
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """What is counted of calls.  Each service has its own."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.registry = CollectorRegistry()
        self._calls = Counter(
            "ziyan_calls", "Calls by HTTP status and outcome.", ("status", "outcome"), registry=self.registry
        )
        self._seconds = Histogram(
            "ziyan_call_seconds", "Time of calls by stage.", ("stage",), registry=self.registry, buckets=_BUCKETS
        )
        self._bytes = Counter("ziyan_bytes", "Bytes of bodies by direction.", ("direction",), registry=self.registry)
        for direction in ("received", "sent"):
            self._bytes.labels(direction)  # shown from the start
        ProcessCollector(registry=self.registry)

    def count(self, status: int, outcome: str, stages: Mapping[str, float], received: int, sent: int) -> None:
        """Count one call.

        Args:
            status: Of the answer.
            outcome: ``ok``, a check's name, the gateway's error code, or ``gone``.
            stages: Milliseconds by stage.
            received: Bytes of the request's body.
            sent: Bytes of the answer's.
        """
        self._calls.labels(str(status), outcome).inc()
        for stage, milliseconds in stages.items():
            self._seconds.labels(stage).observe(milliseconds / 1000)
        self._bytes.labels("received").inc(received)
        self._bytes.labels("sent").inc(sent)


class _Moment(Collector):
    """What is looked at when somebody asks: the engine, and the memory that bodies take."""

    def __init__(self, engine: Engine, body_bytes: Callable[[], int]) -> None:
        self._engine = engine
        self._body_bytes = body_bytes

    def collect(self) -> Iterator[Metric]:
        status = self._engine.status()
        for name, about, value in (
            ("engine_ready", "1 while pictures can be read.", int(status.ready)),
            ("engine_workers", "Reading processes with their weights loaded.", status.workers),
            ("engine_busy", "Reading processes that are reading.", status.busy),
            ("engine_queued", "Pictures that wait for a reader.", status.queued),
            ("engine_queue_limit", "Pictures that may wait.", status.queue_limit),
            ("body_bytes", "Bytes of request bodies held in memory.", self._body_bytes()),
        ):
            yield GaugeMetricFamily(f"ziyan_{name}", about, value)
        yield CounterMetricFamily("ziyan_engine_restarts", "Reading processes replaced.", status.restarts)


def add_metrics(app: FastAPI, metrics: Metrics, engine: Engine, body_bytes: Callable[[], int]) -> None:
    """Add ``/metrics``."""
    metrics.registry.register(_Moment(engine, body_bytes))

    async def show() -> Response:
        """Every figure, in Prometheus' text format."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    app.add_api_route("/metrics", show, methods=["GET", "HEAD"], response_class=Response)
