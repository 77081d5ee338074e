"""The sweep's JSON becomes a plot and tables."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from benchmarks import figures

PAGE = """# Page

before

<!-- figures: python -m benchmarks.sweep -->
old
<!-- end of figures -->
after
"""


def result(scene: str, gaussians: int, size: int, isa: str, threads: int, quality: str) -> Any:
    ms = gaussians / 1e4 / threads * size / 256 * (1 if isa == "avx512" else 2)
    return {
        "scene": scene, "gaussians": gaussians, "width": size, "height": size, "isa": isa,
        "threads": threads, "quality": quality, "ms_median": ms, "ms_p90": 1.1 * ms, "spread": 1.1,
        "fps": 1e3 / ms, "psnr_db": 70.4 if quality == "exact" else 49.6, "psnr_size": 256,
        "pairs": 1_230_000, "overdraw": 44.4, "overdraw_picture": 28.0,
    }  # fmt: skip


def report(**changes: Any) -> dict[str, Any]:
    heads = [("made-up head, seed 0", 20_000), ("made-up head, seed 0", 78_000), ("a & b", 50_000)]
    results = [
        result(*head, size, isa, threads, quality)
        for head in heads
        for size in (256, 512)
        for isa in ("avx512", "avx2")
        for threads in (1, 2)
        for quality in ("exact", "fast")
    ]
    return {
        "machine": {"processor": "Abacus <3>", "cores": 2},
        "results": results,
        "baselines": [{
            "name": "plain scalar", "ms_median": 140.0, "ns_per_pair": 19.2, "psnr_db": 99.0,
            "ratio": {"exact": {"1": 20.0, "2": 40.0}, "fast": {"1": 40.0, "2": 80.0}},
        }],
        **changes,
    }  # fmt: skip


def test_page_gets_new_figures_between_its_marks(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "renderer.md").write_text(PAGE)
    figures.write(report(), tmp_path)
    page = (tmp_path / "renderer.md").read_text()
    assert page.startswith("# Page\n\nbefore\n")
    assert page.endswith("<!-- end of figures -->\nafter\n")
    assert "old" not in page
    assert "| made-up head, seed 0 | 78,000 | fast | 128 | 64 | 1.10 | 49.6 | 1.23 | 44.4 |" in page
    assert "| plain scalar | 140 | 19.2 | 20× | 40× | 40× | 80× |" in page
    widths = {line.count("|") for line in page.splitlines() if line.startswith("|")}
    assert widths == {10, 7, 8}  # three tables, each row as wide as its head
    figures.write(report(), tmp_path)
    assert (tmp_path / "renderer.md").read_text() == page


def test_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "renderer.md").write_text("# Page\n")
    with pytest.raises(SystemExit, match="marks"):
        figures.write(report(), tmp_path)
    assert (tmp_path / "renderer.md").read_text() == "# Page\n"


def test_plot_is_sound_svg_with_a_line_for_each_instruction_set() -> None:
    svg = ET.fromstring(figures.plot(report()))
    space = "{http://www.w3.org/2000/svg}"
    lines = [line.get("class") for line in svg.iter(f"{space}polyline")]
    assert lines == ["line avx512", "line avx2"] * 2
    words = " ".join("".join(text.itertext()) for text in svg.iter(f"{space}text"))
    for word in (
        "Abacus <3>",
        "a & b",
        "AVX-512",
        "exact (at least 70 dB)",
        "fast (at least 49 dB)",
    ):
        assert word in words
    width, height = float(svg.get("width", 0)), float(svg.get("height", 0))
    for text in svg.iter(f"{space}text"):
        assert -60 <= float(text.get("x", 0)) <= width
        assert -60 <= float(text.get("y", 0)) <= height


def test_what_was_not_measured_is_left_out() -> None:
    only = [r for r in report()["results"] if r["width"] == 256 and r["quality"] == "exact"]
    made = report(results=only, baselines=[])
    assert "fast" not in figures.tables(made)
    assert ET.fromstring(figures.plot(made)) is not None
