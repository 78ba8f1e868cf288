"""One HTML page that holds everything: no script, no style sheet, no picture from elsewhere."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ziyan.bench.diff import marked
from ziyan.bench.memory import LIMIT_BYTES, MIB, MemoryCurve
from ziyan.bench.race import Outcome
from ziyan.bench.results import Results
from ziyan.bench.tables import Row
from ziyan.bench.targets import Verdict

#: Pictures shown of each category, at most.
WORST = 4
_THUMBNAIL = (560, 720)
_CHART_WIDTH, _CHART_HEIGHT = 900, 260
_COLOURS = ("#0b7285", "#c2410c", "#5f3dc4", "#2b8a3e")

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8882}
body{font:15px/1.5 system-ui,"Noto Sans CJK SC",sans-serif;max-width:1200px;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:1rem 0}
th,td{padding:.15rem .7rem;text-align:right;border-bottom:1px solid var(--line);vertical-align:top}
th:nth-child(-n+3),td:nth-child(-n+3){text-align:left}
.wrap{overflow-x:auto}.met{color:#2b8a3e}.missed{color:#e03131;font-weight:600}
article{display:flex;gap:1.2rem;flex-wrap:wrap;border-top:1px solid var(--line);padding:1rem 0}
article img{max-width:min(560px,100%);height:auto;align-self:flex-start;border:1px solid var(--line)}
article>div{flex:1 1 22rem;min-width:0}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--soft);padding:.6rem;border-radius:.3rem;font:inherit}
del{background:#e0313133;color:#e03131;text-decoration:line-through}ins{background:#2b8a3e33;color:#2b8a3e;text-decoration:none}
svg{max-width:100%;height:auto}svg text{font-size:12px;fill:currentColor}
"""


def page(title: str, sections: Iterable[str]) -> str:
    """A whole page around ``sections`` of HTML."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{html.escape(title)}</h1>{''.join(sections)}</body></html>\n"
    )


def paragraphs(lines: Iterable[str]) -> str:
    """One paragraph a line."""
    return "".join(f"<p>{html.escape(line)}</p>" for line in lines)


def table(title: str, head: Row, rows: Iterable[Row]) -> str:
    """A table under a heading."""
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    heads = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    heading = f"<h2>{html.escape(title)}</h2>" if title else ""
    return f'{heading}<div class="wrap"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def verdicts(found: Sequence[Verdict]) -> str:
    """Targets, met or missed."""
    rows = "".join(
        f'<tr><td class="{(mark := "met" if it.met else "missed")}">{mark}</td>'
        f"<td>{html.escape(it.target)}</td><td>{html.escape(it.figures)}</td></tr>"
        for it in found
    )
    return f'<h2>Targets</h2><div class="wrap"><table>{rows}</table></div>' if found else ""


def facts(title: str, values: Any) -> str:
    """Anything that JSON can say, folded away."""
    text = html.escape(json.dumps(values, ensure_ascii=False, indent=2))
    return f"<details><summary>{html.escape(title)}</summary><pre>{text}</pre></details>"


def worst(results: Results, name: str, most: int = WORST) -> str:
    """The pictures that ``name`` read worst, category by category, with what every reader made of them."""
    parts = [
        "<h2>Worst pictures</h2><p>The label with what the reader left out <del>struck</del> "
        "and what it added <ins>marked</ins>.</p>"
    ]
    for category in results.categories:
        outcomes = results.worst(name, category, most)
        if outcomes:
            parts.append(f"<h3>{html.escape(category)}</h3>")
            parts.extend(_worst_picture(results, outcome) for outcome in outcomes)
    return "".join(parts)


def _worst_picture(results: Results, outcome: Outcome) -> str:
    key, label = outcome.label.key, outcome.label
    readings = []
    for name, reading in outcome.readings.items():
        it = results.scores[key][name]
        failed = f" · {html.escape(reading.error)}" if reading.error else ""
        readings.append(
            f"<p><b>{html.escape(name)}</b> {it.edits} edits of {it.characters} characters, "
            f"{reading.wall:.2f} s{failed}</p><pre>{marked(label.lines, reading.lines)}</pre>"
        )
    return f"<article>{_thumbnail(label.path)}<div><p>{html.escape(key)}</p>{''.join(readings)}</div></article>"


def _thumbnail(path: Path) -> str:
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    image.thumbnail(_THUMBNAIL)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=70)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    width, height = image.size
    return f'<img alt="" width="{width}" height="{height}" src="data:image/jpeg;base64,{data}">'


def memory_chart(curves: dict[str, MemoryCurve]) -> str:
    """Resident memory along the pictures, a line a reader, the limit dashed."""
    top = max(LIMIT_BYTES, *(curve.most for curve in curves.values())) * 1.05
    longest = max(len(curve.samples) for curve in curves.values())

    def height(size: float) -> float:
        return _CHART_HEIGHT * (1 - size / top)

    lines, legend = [], []
    for number, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        step = max(1, len(curve.samples) // _CHART_WIDTH)
        points = " ".join(
            f"{_CHART_WIDTH * index / max(1, longest - 1):.1f},{height(curve.samples[index]):.1f}"
            for index in range(0, len(curve.samples), step)
        )
        lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{points}"/>')
        legend.append(f'<b style="color:{colour}">{html.escape(name)}</b>')
    limit = height(LIMIT_BYTES)
    return (
        f"<h2>Resident memory</h2><p>{' · '.join(legend)}</p>"
        f'<svg viewBox="0 -10 {_CHART_WIDTH} {_CHART_HEIGHT + 30}" role="img" aria-label="Resident memory by picture">'
        f'<line x1="0" x2="{_CHART_WIDTH}" y1="{limit:.1f}" y2="{limit:.1f}" stroke="#e03131" stroke-dasharray="6 4"/>'
        f'<text x="4" y="{limit - 4:.1f}">{LIMIT_BYTES / MIB:,.0f} MiB (limit)</text>'
        f'<line x1="0" x2="{_CHART_WIDTH}" y1="{_CHART_HEIGHT}" y2="{_CHART_HEIGHT}" stroke="currentColor"/>'
        f'<text x="{_CHART_WIDTH}" y="{_CHART_HEIGHT + 15}" text-anchor="end">{longest - 1:,} pictures</text>'
        f"{''.join(lines)}</svg>"
    )
