"""Every kernel of the CUDA core on small scenes, for tools under which a test-suite takes hours:

    compute-sanitizer --tool racecheck python -m tests.cuda.short_run

Ends with 2 where there is no device, with 1 where a picture, a pose or a gradient is not the
processor's.
"""

from __future__ import annotations

import sys
from typing import Any, get_args

import numpy as np

from avatar_rt import _core
from avatar_rt.types import Camera, PixelFormat, Quality
from tests.cuda.devices import both, draw, psnr_db, rig
from tests.cuda.scenes import Arrays, random_arrays
from tests.cuda.test_animate import OnDevice
from tests.cuda.test_splat import Drawn
from tests.native.posed import backward, call_of, gradients_of, head_of, relative

QUALITIES: tuple[Quality, ...] = get_args(Quality)
FORMATS: tuple[PixelFormat, ...] = get_args(PixelFormat)
ENOUGH_DB: dict[Quality, float] = {"exact": 55.0, "fast": 30.0}
SAME_GRADIENT = 1e-2
CAMERAS = (
    Camera.orbit(0.3, 0.2, distance=0.5, width=94, height=70),
    Camera.orbit(0.2, 0.1, distance=0.12, width=72, height=72),
)
SCENES: tuple[dict[str, Any], ...] = (
    {}, {"channels": 5, "by_covariance": True}, {"sh_degree": 3, "views": 1},
)  # fmt: skip


def pictures(frame: str, degree: int | None) -> list[str]:
    """An avatar from near and far, in every quality and format; what is wrong with it."""
    cpu, cuda = both(rig(1, frame, degree=degree))
    wrong = []
    for camera in CAMERAS:
        for quality in QUALITIES:
            for format in FORMATS:
                found, truth = (
                    draw(core, camera, quality=quality, format=format) for core in (cuda, cpu)
                )
                if psnr_db(found, truth) < ENOUGH_DB[quality]:
                    wrong.append(
                        f"{frame}, harmonics {degree}, {quality}, {format}: "
                        f"{psnr_db(found, truth):.1f} dB"
                    )
    return wrong


def gradients(scene: Arrays, name: str) -> list[str]:
    """Plain arrays there and back; what is wrong with them."""
    rng = np.random.default_rng(0)
    views, size = len(scene.viewmats), (scene.height, scene.width)
    of_images = rng.standard_normal((views, *size, scene.channels)).astype(np.float32)
    of_alphas = rng.standard_normal((views, *size)).astype(np.float32)
    theirs: dict[str, Any] = {
        **_core.splat_backward(
            **scene.gaussians, **scene.fixed, image_gradients=of_images, alpha_gradients=of_alphas,
            images=None, alphas=None, threads=1,
        )
    }  # fmt: skip
    wrong = []
    for key, ours in Drawn(scene).gradients(of_images, of_alphas).items():
        if key == "radii":
            continue
        off = np.linalg.norm(ours - theirs[key])
        if not off <= SAME_GRADIENT * np.linalg.norm(theirs[key]) + 1e-6:
            wrong.append(f"{name}: the gradient of {key} is off by {off:.1e}")
    return wrong


def poses(frame: str) -> list[str]:
    """A head's animation there and back; what is wrong with it."""
    head, call = head_of(1), call_of(1, frame, count=60)
    theirs, ours = _core.Animator(**head, threads=1), OnDevice(head)
    expected = theirs.forward(**call)
    way_back = gradients_of(expected)
    wanted = backward(theirs, call, way_back)
    pairs = dict(zip(("means", "covars", "posed"), zip(ours.forward(call), expected, strict=True),
                     strict=True))  # fmt: skip
    found = ours.backward(call, way_back)
    pairs |= {f"the gradient of {k}": (found[k], a) for k, a in wanted.items()}
    return [
        f"animation, {frame}: {name} is off by {relative(one, other):.1e}"
        for name, (one, other) in pairs.items()
        if not relative(one, other) <= SAME_GRADIENT
    ]


def main() -> int:
    """Runs all of it."""
    status = _core.cuda_status()
    if status != "available":
        print(f"no CUDA device: {status}", file=sys.stderr)
        return 2
    wrong = pictures("affine", None) + pictures("similarity", 3)
    for options in SCENES:
        wrong += gradients(random_arrays(1, 60, **options), str(options))
    wrong += poses("affine") + poses("similarity")
    name = _core.cuda_devices()[0].name
    print("\n".join(wrong) or f"{name}: pictures, poses and gradients are right")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
