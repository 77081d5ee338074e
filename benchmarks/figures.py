"""From the sweep's JSON to the plot and the tables in docs/renderer.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from math import log10
from pathlib import Path
from typing import Any

from avatar_rt.files import replacing

Row = dict[str, Any]
NAMES = {"avx512": "AVX-512", "avx2": "AVX2", "baseline": "baseline"}
_BEGIN, _END = "<!-- figures: python -m benchmarks.sweep -->", "<!-- end of figures -->"
_MADE_UP = "made-up head"
_GPU = 78_000, 246, "FHAvatar on an RTX 3090"
"""Gaussians, FPS and name of what its authors report for one head at 512×512 on a GPU."""

_STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #24292f }
.card { fill: #ffffff } .grid { stroke: #d8dee4 } .quiet { fill: #6e7781 }
.title { font-size: 15px; font-weight: 600 } .strong { font-weight: 600 }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round }
.avx512 { stroke: #0969da } .avx2 { stroke: #bc4c00 } .baseline { stroke: #6e7781 }
.t-avx512 { fill: #0969da } .t-avx2 { fill: #bc4c00 } .t-baseline { fill: #6e7781 }
.halo { paint-order: stroke; stroke: #ffffff; stroke-width: 5; stroke-linejoin: round }
.hollow { fill: #ffffff; stroke-width: 2 } .cross { stroke: #24292f; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .card { fill: #0d1117 } .grid { stroke: #30363d } .quiet { fill: #8d96a0 }
  .avx512 { stroke: #58a6ff } .avx2 { stroke: #f0883e } .baseline { stroke: #8d96a0 }
  .t-avx512 { fill: #58a6ff } .t-avx2 { fill: #f0883e } .t-baseline { fill: #8d96a0 }
  .halo { stroke: #0d1117 } .hollow { fill: #0d1117 } .cross { stroke: #e6edf3 }
}
"""
_WIDTH, _HEIGHT, _PANEL = 900, 440, (330, 300)
_LEFT, _TOP, _STEP = 62, 84, 432


def write(report: dict[str, Any], docs: Path) -> None:
    """docs/figures/renderer.svg, and the part of docs/renderer.md between the two marks."""
    with replacing(docs / "figures" / "renderer.svg") as file:
        file.write_text(plot(report), "utf-8")
    page = (docs / "renderer.md").read_text("utf-8")
    before, _, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise SystemExit(f"{docs / 'renderer.md'} lacks the marks {_BEGIN} and {_END}")
    with replacing(docs / "renderer.md") as file:
        file.write_text(f"{before}{_BEGIN}\n{tables(report)}\n{_END}{after}", "utf-8")


def plot(report: dict[str, Any]) -> str:
    """Frames a second against the number of Gaussians, a panel a quality, as SVG."""
    rows = [r for r in report["results"] if r["width"] == _plotted_size(report)]
    threads = max(r["threads"] for r in rows)
    rows = [r for r in rows if r["threads"] == threads]
    size = rows[0]["width"]
    low, high = _decades([r["fps"] for r in rows] + [_GPU[1]])
    most = max(r["gaussians"] for r in rows)
    x = _scale(0, most * 1.02, 0, _PANEL[0])
    y = _scale(log10(low), log10(high), _PANEL[1], 0)
    machine = report["machine"]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" role="img">',
        f"<title>Frames a second against Gaussians, {size}×{size}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="card" width="{_WIDTH}" height="{_HEIGHT}" rx="10"/>',
        f'<text class="title" x="{_LEFT}" y="30">Frames a second of a moving head, {size}×{size}, '
        f"{threads} threads</text>",
        f'<text class="quiet" x="{_LEFT}" y="50">{escape(str(machine["processor"]))}. Lines: the '
        "made-up head; circles: other heads, best instruction set; cross: "
        f"{_GPU[2]}, as reported</text>",
    ]
    for k, quality in enumerate(("exact", "fast")):
        own = [r for r in rows if r["quality"] == quality]
        if own:
            parts.append(f'<g transform="translate({_LEFT + k * _STEP} {_TOP})">')
            parts += _panel(quality, own, x, y, (low, high, most))
            parts.append("</g>")
    return "\n".join([*parts, "</svg>\n"])


def _panel(
    quality: str,
    rows: Sequence[Row],
    x: Callable[[float], float],
    y: Callable[[float], float],
    limits: tuple[float, float, int],
) -> list[str]:
    low, high, most = limits
    width, height = _PANEL
    psnr = min(r["psnr_db"] for r in rows)
    parts = [
        f'<text class="strong" x="0" y="-10">{quality} '
        f'<tspan class="quiet" font-weight="400">(at least {int(psnr)} dB)</tspan></text>'
    ]
    for fps in (v * 10**d for d in range(5) for v in (1, 2, 5)):
        if low <= fps <= high:
            at = y(log10(fps))
            parts.append(f'<line class="grid" x1="0" x2="{width}" y1="{at:.1f}" y2="{at:.1f}"/>')
            parts.append(_text(-8, at + 4, f"{fps}", "quiet", "end"))
    for thousands in range(0, most // 1000 + 1, 20):
        parts.append(_text(x(1000 * thousands), height + 20, f"{thousands}k", "quiet", "middle"))
    parts.append(_text(width / 2, height + 40, "Gaussians", "quiet", "middle"))
    made_up = [r for r in rows if r["scene"].startswith(_MADE_UP)]
    taken: list[float] = []
    for isa, name in NAMES.items():
        line = sorted((r for r in made_up if r["isa"] == isa), key=lambda r: r["gaussians"])
        if not line:
            continue
        points = [(x(r["gaussians"]), y(log10(r["fps"]))) for r in line]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        parts.append(f'<polyline class="line {isa}" points="{path}"/>')
        parts += [f'<circle class="t-{isa}" cx="{a:.1f}" cy="{b:.1f}" r="4"/>' for a, b in points]
        at = max([points[-1][1] + 4, *(t + 16 for t in taken)])
        taken.append(at)
        parts.append(_text(points[-1][0] + 9, at, name, f"strong t-{isa}"))
    best = next((isa for isa in NAMES if any(r["isa"] == isa for r in rows)), "")
    others = [r for r in rows if r["isa"] == best and not r["scene"].startswith(_MADE_UP)]
    for r in others:
        a, b = x(r["gaussians"]), y(log10(r["fps"]))
        parts.append(f'<circle class="hollow {best}" cx="{a:.1f}" cy="{b:.1f}" r="4.5"/>')
    parts += _labels(others, x, y)
    a, b = x(_GPU[0]), y(log10(_GPU[1]))
    parts.append(f'<path class="cross" d="M{a - 5:.1f} {b:.1f}h10M{a:.1f} {b - 5:.1f}v10"/>')
    return parts


def _labels(
    rows: Sequence[Row], x: Callable[[float], float], y: Callable[[float], float]
) -> list[str]:
    """Names of circles: left of those at the left, one under the other; else above."""
    parts, last = [], float("-inf")
    for r in sorted(rows, key=lambda r: -r["fps"]):
        at, height, name = x(r["gaussians"]), y(log10(r["fps"])), str(r["scene"])[:14]
        if at < _PANEL[0] / 3:
            last = max(height + 4, last + 14)
            parts.append(_text(at - 9, last, name, "halo", "end"))
        else:
            parts.append(_text(at, height - 10, name, "halo", "middle"))
    return parts


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """The numbers 1, 2 or 5 times a power of ten below and above all values."""
    steps = [v * 10**d for d in range(-1, 6) for v in (1, 2, 5)]
    return max(s for s in steps if s <= min(values)), min(s for s in steps if s >= max(values))


def _plotted_size(report: dict[str, Any]) -> int:
    sizes = sorted({r["width"] for r in report["results"]})
    return 512 if 512 in sizes else sizes[-1]


def tables(report: dict[str, Any]) -> str:
    """The figures as Markdown."""
    rows, machine = report["results"], report["machine"]
    size = _plotted_size(report)
    threads = max(r["threads"] for r in rows)
    isas = [isa for isa in NAMES if any(r["isa"] == isa for r in rows)]
    at_size = [r for r in rows if r["width"] == size and r["threads"] == threads]
    parts = [
        f"Measured on {machine['processor']}, {machine['cores']} cores; the whole animated frame "
        "to 8-bit RGB, medians. PSNR is the lowest of 24 views × 5 expressions, over the head, "
        f"against float64, at {rows[0]['psnr_size']}×{rows[0]['psnr_size']}; overdraw is blended "
        "pairs a pixel of the head.",
        "",
        f"![Frames a second against Gaussians at {size}×{size}](figures/renderer.svg)",
        "",
        f"Frames a second at {size}×{size}, {threads} threads:",
        "",
        _row("head", "Gaussians", "quality", *map(NAMES.__getitem__, isas), "p90 / median",
             "PSNR, dB", "pairs, million", "overdraw"),
        _rule("lrl", len(isas) + 4),
    ]  # fmt: skip
    for key in dict.fromkeys((r["scene"], r["gaussians"]) for r in at_size):
        for quality in ("exact", "fast"):
            by_isa = {
                r["isa"]: r
                for r in at_size
                if (r["scene"], r["gaussians"], r["quality"]) == (*key, quality)
            }
            if not by_isa:
                continue
            best = by_isa[next(isa for isa in isas if isa in by_isa)]
            fps = [f"{by_isa[isa]['fps']:.0f}" if isa in by_isa else "" for isa in isas]
            psnr = min(r["psnr_db"] for r in by_isa.values())
            parts.append(
                _row(key[0], f"{key[1]:,}", quality, *fps, f"{best['spread']:.2f}", f"{psnr:.1f}",
                     f"{best['pairs'] / 1e6:.2f}", f"{best['overdraw']:.1f}")
            )  # fmt: skip
    parts += ["", *_by_size(rows, isas[0])]
    parts += ["", *_beside_baselines(report)]
    return "\n".join(parts).rstrip()


def _by_size(rows: Sequence[Row], isa: str) -> list[str]:
    """Milliseconds of the made-up head by its size and the picture's."""
    own = [r for r in rows if r["scene"].startswith(_MADE_UP) and r["isa"] == isa]
    sizes = sorted({r["width"] for r in own})
    threads = sorted({r["threads"] for r in own})
    heads = [f"{size}², {count} thread{'s' * (count > 1)}" for size in sizes for count in threads]
    parts = [
        f"Milliseconds a frame of the made-up head, {NAMES[isa]}:", "",
        _row("Gaussians", "quality", *heads), _rule("rl", len(heads)),
    ]  # fmt: skip
    for count in sorted({r["gaussians"] for r in own}):
        for quality in ("exact", "fast"):
            ms = {
                (r["width"], r["threads"]): r["ms_median"]
                for r in own
                if (r["gaussians"], r["quality"]) == (count, quality)
            }
            cells = [f"{ms[size, n]:.2f}" for size in sizes for n in threads if (size, n) in ms]
            if cells:
                parts.append(_row(f"{count:,}", quality, *cells))
    return parts


def _beside_baselines(report: dict[str, Any]) -> list[str]:
    if not report["baselines"]:
        return []
    parts = [
        "How many times as fast as anyone's first renderer, which is exact and has one thread "
        "(78,000 Gaussians, 512×512, taking turns in one run; animation by the core in both):",
        "",
    ]
    keys = [(q, n) for q, by in report["baselines"][0]["ratio"].items() for n in by]
    heads = [f"{quality}, {n} thread{'s' * (int(n) > 1)}" for quality, n in keys]
    parts += [_row("baseline", "ms", "ns a pair", *heads), _rule("l", 2 + len(heads))]
    for b in report["baselines"]:
        ratios = [f"{b['ratio'][quality][n]:.0f}×" for quality, n in keys]
        parts.append(_row(b["name"], f"{b['ms_median']:.0f}", f"{b['ns_per_pair']:.1f}", *ratios))
    return parts


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(first: str, numbers: int) -> str:
    """The line under a table's head: `first` columns by letter, then `numbers` to the right."""
    return "|" + "".join("---|" if c == "l" else "--:|" for c in first) + "--:|" * numbers
