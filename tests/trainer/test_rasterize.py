"""animate and splat in torch: whole pictures' gradients against float64, and what they are for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from avatar_rt import _core
from avatar_rt.arrays import floats32
from avatar_rt.errors import BackendError, MissingDependencyError, ParameterError
from avatar_rt.head.rig import Rig
from avatar_rt.types import Camera
from tests.native import gradient_reference
from tests.native.posed import HEAD, call_of, head_of
from trainer import gsplat_operator, rasterize, torch_rig
from trainer.rasterize import BoundGaussians, Head, Poses, Splatted, animate, splat

SIZE = 36
CAMERAS = [Camera.orbit(yaw, 0.1, distance=0.5, width=SIZE, height=SIZE) for yaw in (-0.4, 0.5)]
VIEWMATS = torch.tensor(np.stack([c.viewmat for c in CAMERAS]))
KS = torch.tensor(np.stack([c.K for c in CAMERAS]))
POSE = ("coefficients", "joint_rotations", "translation")
BOUND = ("barycentric", "offsets", "quats", "scales")


def rig_of(seed: int) -> Rig:
    head = head_of(seed)
    E, J = len(head["expression_basis"]), len(head["joints"])
    return Rig(
        **{k: head[k] for k in HEAD},
        expression_names=tuple(map(str, range(E))), arkit_to_expression=np.zeros((52, E), "f4"),
        arkit_to_joints=np.zeros((52, J, 3), "f4"), joint_names=("root", "neck", "head", "jaw"),
    )  # fmt: skip


@dataclass
class Scene:
    """Random leaves for animate and splat: two poses, each seen by a camera of its own."""

    leaves: dict[str, Tensor]
    frame: Any
    triangles: Tensor

    def picture(self, head: Head, **more: Any) -> Splatted:
        x = self.leaves
        gaussians = BoundGaussians(self.frame, self.triangles, *(x[k] for k in BOUND))
        animated = animate(head, Poses(*(x[k] for k in POSE)), gaussians, x["vertices"])
        return splat(
            animated.means, x["opacities"], x["colors"], VIEWMATS, KS, SIZE, SIZE,
            covars=animated.covars, background=x["background"], **more,
        )  # fmt: skip


def scene_of(seed: int, frame: str, count: int = 40) -> Scene:
    call = call_of(seed, frame, count=count)
    rng = np.random.default_rng(seed + 300)
    call["coefficients"] *= np.float32(0.2)
    call["joint_rotations"] *= np.float32(0.3)
    call["scales"] *= np.float32(2)
    arrays = {k: call[k] for k in (*POSE, "vertices", *BOUND)}
    arrays["opacities"] = floats32(rng.uniform(0.2, 0.9, count))
    arrays["colors"] = floats32(rng.uniform(0, 1, (count, 3)))
    arrays["background"] = floats32([0.2, 0.5, 0.9])
    leaves = {k: torch.tensor(a, requires_grad=True) for k, a in arrays.items()}
    return Scene(leaves, frame, torch.from_numpy(call["triangles"]))


def picture64(rig: Rig, scene: Scene, leaves: dict[str, Tensor]) -> Tensor:
    """The same pictures in float64."""
    tensors = torch_rig.RigTensors.of(rig, dtype=torch.float64)
    gaussians = BoundGaussians(scene.frame, scene.triangles, *(leaves[k] for k in BOUND))
    poses = Poses(*(leaves[k] for k in POSE))
    posed = torch_rig.animate(tensors, poses, gaussians, leaves["vertices"])
    images = []
    for view, K, means, covars in zip(VIEWMATS, KS, posed.means, posed.covars, strict=True):
        image, _ = gradient_reference.splat(
            gradient_reference.Inputs(
                means, None, None, covars, leaves["opacities"], leaves["colors"], view, K, SIZE,
                SIZE, leaves["background"],
            )
        )  # fmt: skip
        images.append(image)
    return torch.stack(images)


@pytest.mark.parametrize("frame", ["affine", "similarity"])
def test_a_pictures_gradient_reaches_everything(frame: str) -> None:
    rig, scene = rig_of(1), scene_of(1, frame)
    wide = {k: t.detach().double().requires_grad_() for k, t in scene.leaves.items()}
    truth = picture64(rig, scene, wide)
    seen = scene.picture(Head(rig, threads=2))
    assert (seen.images - truth).abs().max() < 1e-3
    target = torch.rand(truth.shape, dtype=torch.float64, generator=torch.manual_seed(0))
    torch.autograd.backward((truth - target).square().sum())
    torch.autograd.backward((seen.images - target.float()).square().sum())
    for name, leaf in scene.leaves.items():
        assert leaf.grad is not None
        want = wide[name].grad
        assert want is not None
        assert want.norm() > 1e-3, name
        assert (leaf.grad - want).norm() < 1e-3 * want.norm(), name


def test_an_expression_and_colours_are_found_again() -> None:
    """From a picture alone, with both operators' gradients."""
    head, scene = Head(rig_of(2), threads=1), scene_of(2, "similarity", count=100)
    with torch.no_grad():
        target = scene.picture(head).images
        generator = torch.manual_seed(0)
        truth = {k: scene.leaves[k].clone() for k in ("coefficients", "colors")}
        for name, spread in (("coefficients", 0.1), ("colors", 0.3)):
            leaf = scene.leaves[name]
            leaf += spread * torch.randn(leaf.shape, generator=generator)
    moved = {k: (scene.leaves[k] - truth[k]).norm() for k in truth}
    optimizer = torch.optim.Adam(
        [
            {"params": [scene.leaves["coefficients"]], "lr": 0.01},
            {"params": [scene.leaves["colors"]], "lr": 0.03},
        ]
    )
    losses = []
    for _ in range(80):
        optimizer.zero_grad()
        loss = (scene.picture(head).images - target).square().mean()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 30
    for name, distance in moved.items():
        # some Gaussians are hidden: no picture tells their colour
        left = float(((scene.leaves[name] - truth[name]).norm() / distance).detach())
        assert left < (0.2 if name == "coefficients" else 0.7), name


def test_the_screen_holds_what_densification_asks() -> None:
    head, scene = Head(rig_of(3)), scene_of(3, "affine")
    seen = scene.picture(head)
    before = seen.screen
    assert before.means2d_gradient is None
    assert before.radii is None
    torch.autograd.backward(seen.images.square().sum() + seen.alphas.sum())
    of_centres, radii = seen.screen.means2d_gradient, seen.screen.radii
    assert of_centres is not None
    assert radii is not None
    assert of_centres.shape == (2, 40, 2)
    assert radii.shape == (2, 40)
    assert (radii > 0).any()
    assert not of_centres[radii == 0].any()
    assert of_centres[radii > 0].any()
    with torch.no_grad():
        assert scene.picture(head).screen.means2d_gradient is None


def test_only_what_is_asked_for_has_a_gradient() -> None:
    head, scene = Head(rig_of(3)), scene_of(3, "affine")
    for name, leaf in scene.leaves.items():
        leaf.requires_grad_(name in ("coefficients", "opacities"))
    torch.autograd.backward(scene.picture(head).alphas.sum())
    for name, leaf in scene.leaves.items():
        assert (leaf.grad is not None) == (name in ("coefficients", "opacities"))
    assert not scene.picture(head).images.isnan().any()


def test_the_head_at_rest_is_the_rigs_own_unless_given() -> None:
    rig, scene = rig_of(4), scene_of(4, "affine")
    head, x = Head(rig), scene.leaves
    gaussians = BoundGaussians("affine", scene.triangles, *(x[k] for k in BOUND))
    poses = Poses(*(x[k] for k in POSE))
    own = animate(head, poses, gaussians)
    given = animate(head, poses, gaussians, torch.from_numpy(rig.vertices))
    for a, b in zip(own, given, strict=True):
        assert torch.equal(a, b)
    long = animate(head, poses, gaussians._replace(triangles=scene.triangles.long()))
    assert torch.equal(long.means, own.means)


def splat_inputs(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    arrays = {
        "means": rng.normal(0, 0.06, (40, 3)), "quats": rng.normal(size=(40, 4)),
        "scales": np.exp(rng.normal(-4.5, 0.4, (40, 3))), "opacities": rng.uniform(0.2, 0.9, 40),
        "colors": rng.normal(0, 0.4, (40, 9, 3)),
    }  # fmt: skip
    return {k: torch.tensor(a, dtype=torch.float32) for k, a in arrays.items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cameras_learn_in_their_own_float_type(dtype: torch.dtype) -> None:
    x = splat_inputs(5)
    viewmats = VIEWMATS.detach().clone().to(dtype).requires_grad_()
    x["means"].requires_grad_()
    seen = splat(**x, viewmats=viewmats, Ks=KS, width=SIZE, height=SIZE, sh_degree=2)
    torch.autograd.backward(seen.images.square().sum())
    assert viewmats.grad is not None
    assert viewmats.grad.dtype == dtype
    # moving the world is moving the camera
    moved = torch.einsum("bij,bi->j", VIEWMATS[:, :3, :3], viewmats.grad[:, :3, 3].double())
    assert x["means"].grad is not None
    torch.testing.assert_close(x["means"].grad.sum(0).double(), moved, rtol=1e-2, atol=1e-2)


def test_views_share_gaussians_or_have_their_own() -> None:
    x = splat_inputs(6)
    for name in ("means", "colors"):
        x[name].requires_grad_()
    view: Any = {"viewmats": VIEWMATS, "Ks": KS, "width": SIZE, "height": SIZE, "sh_degree": 2}
    shared = splat(**x, **view).images
    own = {k: t.expand(2, *t.shape).contiguous() for k, t in x.items()}
    each = splat(**own, **view).images
    assert torch.equal(shared, each)
    weights = torch.rand(shared.shape, generator=torch.manual_seed(1))
    of_shared = torch.autograd.grad((weights * shared).sum(), [x["means"], x["colors"]])
    of_each = torch.autograd.grad((weights * each).sum(), [x["means"], x["colors"]])
    for a, b in zip(of_shared, of_each, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_a_picture_is_the_public_rasterizes() -> None:
    x = splat_inputs(7)
    x["colors"] = x["colors"][:, 0].contiguous()
    seen = splat(**x, viewmats=VIEWMATS, Ks=KS, width=SIZE, height=SIZE, quality="fast")
    a = {k: t.numpy() for k, t in x.items()}
    image, alpha = _core.rasterize(
        **a, covars=None, viewmat=VIEWMATS[1].numpy(), K=KS[1].numpy(), width=SIZE, height=SIZE,
        background=None, quality="fast", threads=1,
    )  # fmt: skip
    np.testing.assert_array_equal(seen.images[1], image)
    np.testing.assert_array_equal(seen.alphas[1], alpha)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"opacities": torch.zeros(39)}, "opacities: has shape"),
        ({"means": torch.zeros(40, 3, dtype=torch.float64)}, "means: has dtype float64"),
        ({"means": torch.zeros(40, 3, dtype=torch.float16)}, "means: is torch.float16"),
        ({"means": torch.zeros(3)}, r"means: has shape \(3,\)"),
        ({"viewmats": torch.eye(4)}, r"viewmats: has shape \(4, 4\)"),
        ({"Ks": torch.zeros(2, 3, 3)}, "K"),
        ({"quality": "best"}, "quality: is 'best'"),
        (
            {"means": torch.zeros(40, 3, device="meta")},
            "opacities: is on cpu, but means is on meta",
        ),
    ],
)
def test_bad_pictures_are_named(change: dict[str, Any], message: str) -> None:
    x = {**splat_inputs(8), "viewmats": VIEWMATS, "Ks": KS, "width": SIZE, "height": SIZE}
    with pytest.raises(ParameterError, match=message):
        splat(**{**x, "sh_degree": 2, **change})


def test_fast_pictures_have_no_gradients() -> None:
    scene = scene_of(9, "affine")
    with pytest.raises(ParameterError, match="only 'exact' has gradients"):
        scene.picture(Head(rig_of(9)), quality="fast")
    with torch.no_grad():
        scene.picture(Head(rig_of(9)), quality="fast")


def test_bad_poses_are_named() -> None:
    scene = scene_of(9, "affine")
    scene.leaves["coefficients"] = torch.full((2, 7), torch.nan)
    with pytest.raises(ParameterError, match="coefficients: holds"):
        scene.picture(Head(rig_of(9)))
    scene.leaves["coefficients"] = torch.zeros(2, 7, device="meta")
    with pytest.raises(ParameterError, match="joint_rotations: is on cpu"):
        scene.picture(Head(rig_of(9)))


def test_devices_have_their_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rasterize.operators(torch.device("cpu")) == "native"
    by_cuda = "cuda" if _core.cuda_status() == "available" else "gsplat"
    assert rasterize.operators(torch.device("cuda", 1)) == by_cuda
    with pytest.raises(BackendError, match="tensors on meta"):
        rasterize.operators(torch.device("meta"))
    monkeypatch.setitem(__import__("sys").modules, "gsplat", None)
    with pytest.raises(MissingDependencyError, match="pip install 'avatar-rt"):
        gsplat_operator.rasterization()


class ReachedKernelError(Exception):
    """Raised where gsplat would enter its first CUDA kernel."""


@pytest.mark.parametrize("own", [(), ("means", "covars"), ("means", "covars", "colors")])
def test_gsplat_is_asked_for_the_same_pictures(
    own: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through gsplat's own checks of shapes, up to where a GPU is needed."""
    rendering = pytest.importorskip("gsplat.rendering")
    asked: list[Any] = []

    def kernel(*arguments: Any, **_: Any) -> None:
        asked.extend(arguments)
        raise ReachedKernelError

    monkeypatch.setattr(rendering, "fully_fused_projection", kernel)
    x = splat_inputs(10)
    covars = torch.rand(40, 6, generator=torch.manual_seed(0))
    given = {"means": x["means"], "covars": covars, "opacities": x["opacities"],
             "colors": x["colors"]}  # fmt: skip
    given = {k: t.expand(2, *t.shape) if k in own else t for k, t in given.items()}
    with pytest.raises(ReachedKernelError):
        gsplat_operator.splat(
            **given, quats=None, scales=None, sh_degree=2, viewmats=VIEWMATS, Ks=KS, width=SIZE,
            height=SIZE, background=torch.zeros(3),
        )  # fmt: skip
    means, upper, quats, scales, viewmats, Ks = asked[:6]
    assert quats is None
    assert scales is None
    batch = (2,) if own else ()
    assert torch.equal(means, x["means"].expand(*batch, 40, 3))
    assert torch.equal(upper, covars.expand(*batch, 40, 6))
    assert viewmats.shape == (2, 1, 4, 4) if own else (2, 4, 4)
    assert torch.equal(viewmats.reshape(2, 4, 4), VIEWMATS.float())
    assert torch.equal(Ks.reshape(2, 3, 3), KS.float())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("each", [False, True])
def test_cuda_draws_the_processors_pictures(each: bool) -> None:
    if rasterize.operators(torch.device("cuda")) == "gsplat":
        pytest.importorskip("gsplat")
    x = splat_inputs(11)
    if each:
        x["means"] = torch.stack([x["means"], x["means"] * 1.1])
    arguments = {**x, "viewmats": VIEWMATS, "Ks": KS, "background": torch.tensor([0.1, 0.5, 0.9])}
    found = []
    for device in ("cpu", "cuda"):
        here = {k: t.to(device).float().requires_grad_() for k, t in arguments.items()}
        Ks = here.pop("Ks").detach()
        seen = splat(**here, Ks=Ks, width=SIZE, height=SIZE, sh_degree=2)
        torch.autograd.backward(seen.images.square().sum() + seen.alphas.sum())
        grads = [here[k].grad for k in ("means", "quats", "scales", "opacities", "colors")]
        out = [seen.images, seen.alphas, seen.screen.means2d_gradient, *grads]
        found.append([t.detach().cpu() for t in out if t is not None])
    for cpu, cuda in zip(*found, strict=True):
        # opacities below 0.9: neither clamps
        assert (cpu - cuda).norm() < 1e-2 * cpu.norm()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("frame", ["affine", "similarity"])
def test_cuda_poses_as_the_processor_does(frame: Any) -> None:
    scene, head = scene_of(12, frame), Head(rig_of(12))
    found = []
    for device in ("cpu", "cuda"):
        here = {k: scene.leaves[k].detach().to(device).requires_grad_() for k in (*POSE, *BOUND)}
        bound = BoundGaussians(frame, scene.triangles.to(device), *(here[k] for k in BOUND))
        out = animate(head, Poses(*(here[k] for k in POSE)), bound)
        torch.autograd.backward(out.means.square().sum() + out.covars.sum())
        grads = [t.grad for t in here.values()]
        found.append([t.detach().cpu() for t in (*out, *grads) if t is not None])
    for cpu, cuda in zip(*found, strict=True):
        assert (cpu - cuda).norm() <= 1e-3 * cpu.norm() + 1e-5
