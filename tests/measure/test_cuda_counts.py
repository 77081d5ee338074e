"""What a frame would cost a CUDA device, counted on the processor: against pictures, against pixels
one by one, and against what the plan of a batch says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from avatar_rt import _core
from avatar_rt.arrays import floats32
from avatar_rt.baseline import posed
from avatar_rt.fidelity import head_psnr_db
from avatar_rt.render import Renderer
from avatar_rt.synthetic import synthetic_head
from avatar_rt.types import Camera, FaceParams
from benchmarks import cuda_counts, cuda_floor, sass_counts
from benchmarks.cuda_counts import SIDE, WARP, Counts
from tests.factory import small_avatar

FACE = FaceParams.from_arkit({"jawOpen": 0.6})
H100 = cuda_floor.GPUS["h100"]


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(synthetic_head(1_500), backend="cpu", threads=1)


@pytest.fixture(scope="module")
def camera(renderer: Renderer) -> Camera:
    return renderer.camera(0.4, 0.1, width=90, height=70)  # the last tiles reach beyond


@pytest.fixture(scope="module")
def counts(renderer: Renderer, camera: Camera) -> Counts:
    shares: list[float] = []
    found = cuda_counts.count(renderer, FACE, camera, shares.append)
    assert sum(shares) == pytest.approx(1)
    return found


def test_what_was_counted_is_the_cores_picture(
    renderer: Renderer, camera: Camera, counts: Counts
) -> None:
    core = renderer.render(FACE, camera, format="float32", quality="exact").pixels
    assert head_psnr_db(counts.picture, core.astype(np.float32)) > 60


def test_entries_are_the_tiles_on_which_an_alpha_is_seen(
    renderer: Renderer, camera: Camera, counts: Counts
) -> None:
    alpha_min, _ = _core.thresholds("exact")
    splats = cuda_counts.project(posed(renderer, FACE, camera), camera, alpha_min)
    x, y = np.meshgrid(np.arange(90) + 0.5, np.arange(70) + 0.5)
    seen = 0
    for (px, py, _), (l11, l21, l22), level in zip(
        splats.place, splats.shape, splats.level, strict=True
    ):
        u, v = l11 * (x - px) + l21 * (y - py), l22 * (y - py)
        lit = np.pad(level - u * u - v * v >= np.log2(alpha_min), ((0, 10), (0, 6)))
        seen += int(lit.reshape(5, SIDE, 6, SIDE).any((1, 3)).sum())
    # the test goes by the ellipse, which may pass between the centres of pixels
    assert seen <= counts.entries <= 1.1 * seen
    assert counts.entries == counts.entries_of_tile.sum() < counts.tests
    assert counts.tests / WARP <= counts.test_rounds <= counts.tests


def test_steps_end_where_all_pixels_are_closed(counts: Counts) -> None:
    tested = np.minimum(WARP * counts.chunks_of_warp, counts.entries_of_tile[:, None])
    assert (counts.steps_of_warp <= tested).all()
    assert (counts.staged_of_tile <= counts.entries_of_tile).all()
    assert 0 < counts.pairs <= WARP * counts.steps_of_warp.sum()
    near = cuda_counts.walk(_wall(2000), Camera.orbit(width=16, height=16), 0, 0, 1 / 255, 1e-4)
    # 0.99 twice leaves 1e-4 of the light, and what is left after three is less
    assert (near.steps == WARP).all()
    assert (near.chunks == 1).all()
    assert near.staged == 256
    assert near.pairs in (2 * 256, 3 * 256)
    assert near.picture[..., 3].min() > 0.9998


def _wall(count: int) -> cuda_counts.Splats:
    """Opaque splats that hide a whole tile, one behind the other."""
    ones = np.ones((count, 3), np.float32)
    return cuda_counts.Splats(
        ones * floats32([8, 8, 1]), ones * floats32([1e-4, 0, 1e-4]), 0 * ones[:, 0],
        np.tile(np.array([0, 0, 1, 1]), (count, 1)), ones,
    )  # fmt: skip


@pytest.mark.parametrize("gaussians", [0, 1_500])
def test_a_floor_has_every_part_of_the_frame(gaussians: int) -> None:
    floor = cuda_floor.floor_of(synthetic_head(gaussians), 64, H100)
    assert [s.name for s in floor.stages] == [
        "upload", "prepare", "project", "enter", "sort", "blend", "counts back", "picture back",
    ]  # fmt: skip
    for s in floor.stages:
        assert s.us == max(s.us_bytes, s.us_issue, s.us_wait) >= 0
    assert floor.us_device == pytest.approx(sum(s.us for s in floor.stages) + floor.us_gaps)
    assert floor.fps < floor.fps_device == pytest.approx(1e6 / floor.us_device)
    assert floor.psnr_db > 60
    assert floor.busiest_sm >= 1
    assert floor.entries <= floor.capacity


def test_room_is_what_the_plan_takes() -> None:
    assert cuda_floor.roomy(0) == 1 << 15
    assert cuda_floor.roomy(100_000) == 131072  # 125,000 and what is missing to a whole step
    assert cuda_floor.capacity_for(78_000, 241_136) == 294912
    assert cuda_floor.capacity_for(20_000, 118_982) == cuda_floor.roomy(118_982) == 163840
    assert cuda_floor.capacity_for(78_000, 10_000) == cuda_floor.roomy(10_000)


def test_heads_are_packed_as_the_core_does() -> None:
    rig = small_avatar().rig
    deltas, influences, most_deltas, most_influences = cuda_floor.packed(rig)
    packs = -(-len(rig.vertices) // 16)
    assert 0 < deltas <= 2 * packs * len(rig.expression_basis)
    assert packs <= influences <= packs * len(rig.joints)
    assert deltas / packs <= most_deltas
    assert influences / packs <= most_influences <= len(rig.joints)


def test_the_command_prints_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "small.avatar"
    small_avatar().save(path)
    monkeypatch.setattr("sys.argv", ["cuda_floor", str(path), "--size", "48", "--json"])
    cuda_floor.main()
    report = json.loads(capsys.readouterr().out)
    assert report["predicted"] is True
    assert report["results"][0]["gpu"] == "H100 SXM"
    monkeypatch.setattr("sys.argv", ["cuda_floor", "--size", "48", "--gaussians", "300"])
    cuda_floor.main()
    assert "predicted" in capsys.readouterr().out


SASS = """
//--------------------- .text._ZN9avatar_rt4cuda3_GL12blend_kernelIjEEv5Batch ----
        /*0000*/                   LDC R1, c[0x0][0x28] ;
        /*0010*/                   LDG.E R3, desc[UR6][R8.64] ;
.L_x_1:
        /*0020*/                   LDS.128 R8, [R30] ;
.L_x_2:
        /*0030*/              @P2 MUFU.EX2 R12, R19 ;
        /*0040*/                   VOTE.ANY R8, PT, P0 ;
        /*0050*/               @P2 BRA `(.L_x_2) ;
        /*0060*/                   FADD R0, -R12.reuse, R0 ;
        /*0070*/              @!P0 BRA P2, `(.L_x_1) ;
        /*0080*/                   EXIT ;
.L_x_3:
        /*0090*/                   BRA `(.L_x_3);
        /*00a0*/                   NOP ;
//--------------------- .text._ZN9avatar_rt4cuda3_GL12blend_kernelImEEv5Batch ----
        /*0000*/                   EXIT ;
"""


def test_loops_are_told_apart_in_machine_code() -> None:
    (kernel,) = sass_counts.kernels(SASS).items()
    assert kernel[0] == "blend_kernel"
    straight, outer, inner = sass_counts.loops(kernel[1])
    assert (straight.instructions, straight.depth, straight.global_loads) == (4, 0, 1)
    assert (outer.instructions, outer.depth, outer.shared_loads) == (3, 1, 1)
    assert (inner.instructions, inner.depth, inner.special, inner.shuffles) == (3, 2, 1, 1)
