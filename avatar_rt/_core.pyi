"""The native core. Arrays go in and out as NumPy; the GIL is released while it works.

Every function checks shapes, dtypes and finiteness of what could crash it, and raises ValueError
with the argument's name. `threads` = 0 means all cores. Conventions are gsplat's: OpenCV viewmat
(4, 4) world → camera, K (3, 3) in pixels, quaternions wxyz, pixel centres at half integers.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypedDict, overload

from numpy.typing import NDArray

from avatar_rt.arrays import F32, F64, I32, I64, U8
from avatar_rt.types import PixelFormat, Quality

ALPHA_MAX: float
"""0.99, or what the build option AVATAR_RT_ALPHA_MAX said."""
ALPHA_MIN: float
TRANSMITTANCE_MIN: float
LOW_PASS: float
HASTES: int

def isa() -> str:
    """The instruction set in use: "baseline", "avx2" or "avx512" (AVATAR_RT_ISA forces one)."""

def available_isas() -> list[str]:
    """Those that this processor can run, best last."""

def cuda_status() -> str:
    """ "available", or why no CUDA device can be used."""

class CudaDevice:
    """A CUDA device that can be used, as it is now."""

    @property
    def number(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def capability(self) -> tuple[int, int]:
        """Compute capability: major, minor."""

    @property
    def memory_free(self) -> int:
        """Bytes."""

    @property
    def memory_total(self) -> int: ...

def cuda_devices() -> list[CudaDevice]:
    """Those that can be used; none where cuda_status() is not "available"."""

class DeviceError(Exception):
    """A device other than the processor cannot draw, or cannot any more. Its words say why."""

class DeviceMemoryError(DeviceError):
    """It has not got the memory for what was asked; for less it may."""

class DeviceArray:
    """A picture on the CUDA device that draws it, or a plane of one: rows without gaps, uint8 or,
    where the picture's format is float32, float32."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def device(self) -> int:
        """The device's number."""

    def planes(self) -> tuple[DeviceArray, DeviceArray]:
        """Luma (H, W) and chroma (H/2, W/2, 2) of an nv12 picture; ValueError for others."""

    def numpy(self) -> U8 | F32:
        """A copy in the processor's memory, once the picture is drawn. Raises DeviceError."""

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> object:
        """As the Python array API standard says: a capsule whose consumer's stream waits for the
        picture (None and 1: the legacy default stream, 2: the thread's, -1: none, else a
        cudaStream_t). dl_device (1, 0) asks for a copy in the processor's memory.

        Raises BufferError for another device or a copy on its own, ValueError for a stream that
        there is not, DeviceError where the device fails.
        """

    def __dlpack_device__(self) -> tuple[int, int]:
        """(2, number): 2 stands for CUDA."""

class Splatted(tuple[F32, F32]):
    """What rasterize returns: the pair (image, alpha), and beside it a count."""

    def __new__(cls, parts: tuple[F32, F32, int]) -> Splatted: ...
    @property
    def image(self) -> F32: ...
    @property
    def alpha(self) -> F32: ...
    @property
    def skipped(self) -> int:
        """Gaussians left out because a number of theirs was not finite."""

class SplattedViews(tuple[F32, F32]):
    """What splat returns: the pair (images, alphas), and beside it a count for each view. At run
    time it is a Splatted too."""

    @property
    def image(self) -> F32: ...
    @property
    def alpha(self) -> F32: ...
    @property
    def skipped(self) -> I64:
        """(B,): as Splatted.skipped."""

def rasterize(
    means: F32,
    quats: F32 | None,
    scales: F32 | None,
    covars: F32 | None,
    opacities: F32,
    colors: F32,
    viewmat: F64,
    K: F64,
    width: int,
    height: int,
    background: F32 | None,
    quality: Quality,
    threads: int,
) -> Splatted:
    """Gaussians → (image (H, W, C) float32, alpha (H, W) float32), and how many were skipped.

    means (N, 3); either quats (N, 4) and scales (N, 3), or covars (N, 6) float32 as xx xy xz yy yz
    zz; opacities (N,); colors (N, C), 1 ≤ C ≤ 32. image is premultiplied, over `background` (C,)
    where given.
    """

def rasterize_colors_adjoint(
    means: F32,
    quats: F32 | None,
    scales: F32 | None,
    covars: F32 | None,
    opacities: F32,
    viewmat: F64,
    K: F64,
    image_gradient: F32,
    threads: int,
) -> tuple[F32, F32]:
    """Adjoint of `rasterize` in the colours: image_gradient (H, W, C) → (Σ w·g (N, C), Σ w (N,)),
    w being the weight with which a Gaussian is blended into a pixel."""

def splat(
    means: F32,
    quats: F32 | None,
    scales: F32 | None,
    covars: F32 | None,
    opacities: F32,
    colors: F32,
    sh_degree: int | None,
    viewmats: F64,
    Ks: F64,
    width: int,
    height: int,
    background: F32 | None,
    quality: Quality,
    threads: int,
) -> SplattedViews:
    """`rasterize` for B views: viewmats (B, 4, 4), Ks (B, 3, 3) → images (B, H, W, C), alphas
    (B, H, W).

    The arrays of Gaussians are those of `rasterize`, shared by all views, or with a leading axis
    of B where each view has its own. With sh_degree 0 … 3 colors are spherical harmonics
    (N, K, 3), K ≥ (sh_degree + 1)², as in gsplat: seen along mean - inverse(viewmat)[:3, 3], the
    colour is max(Σ basis·coefficient + 0.5, 0). The bits do not depend on threads.
    """

class SplatGradients(TypedDict, total=False):
    """∂loss/∂ of each input of `splat`, shaped like it, float32 (viewmats: float64); summed over
    the views that share an array. quats and scales, or covars, as given; background where given.
    There is no such class at run time, only a dict."""

    means: F32
    quats: F32
    scales: F32
    covars: F32
    opacities: F32
    colors: F32
    background: F32
    viewmats: F64
    """(B, 4, 4); the last row is 0. The 3×4 part is taken as twelve free numbers."""
    means2d: F32
    """(B, N, 2): ∂loss/∂ of the centres on the screen, in pixels."""
    radii: F32
    """(B, N): how far in x or y, in pixels, alpha reaches 1/255; 0 for Gaussians that no pixel's
    gradient reached."""
    skipped: I64
    """(B,): Gaussians left out because a number of theirs was not finite."""

def splat_backward(
    means: F32,
    quats: F32 | None,
    scales: F32 | None,
    covars: F32 | None,
    opacities: F32,
    colors: F32,
    sh_degree: int | None,
    viewmats: F64,
    Ks: F64,
    width: int,
    height: int,
    background: F32 | None,
    image_gradients: F32,
    alpha_gradients: F32 | None,
    images: F32 | None,
    alphas: F32 | None,
    threads: int,
) -> SplatGradients:
    """The way back through `splat` of quality "exact", from ∂loss/∂images (B, H, W, C) and
    ∂loss/∂alphas (B, H, W).

    images and alphas are what `splat` returned for these very arguments; where they are None they
    are drawn again. An alpha clamped at 0.99 passes nothing to its exponent and opacity, one below
    the minimum or behind a closed pixel (T < 1e-4) nothing at all; Gaussians that are skipped get
    zeros. The bits do not depend on threads.
    """

def render_together(
    avatars: Sequence[AvatarCore],
    shots: Sequence[tuple[F32, F32, F32, F64, F64, int, int, F32, PixelFormat, Quality]],
) -> list[tuple[Any, dict[str, float]]]:
    """A picture of each of several avatars in one launch: for each the arguments of its render(),
    and what that returns, bit for bit; of one format. Raises ValueError where they are not all
    drawn by one CUDA device, DeviceError where that fails."""

class CudaFloats:
    """float32 in a CUDA device's memory, for those who have no array library there."""

    def __init__(self, shape_or_array: Sequence[int] | F32, device: int = 0) -> None:
        """Zeros of a shape, or a copy of an array. Raises DeviceError where the device fails."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def device(self) -> int: ...
    @property
    def __cuda_array_interface__(self) -> dict[str, object]: ...
    def numpy(self) -> F32:
        """A copy, once the device has done all that it was given."""

class CudaArray(Protocol):
    """Any float32 array in a CUDA device's memory: a CudaFloats, a torch tensor, …"""

    @property
    def __cuda_array_interface__(self) -> Any: ...

class CudaSplats:
    """A batch of views that was drawn by cuda_splat. Holds the arrays until it goes."""

    @property
    def skipped(self) -> list[int]:
        """B numbers: Gaussians left out because a number of theirs was not finite."""

    def backward(
        self,
        images: CudaArray,
        alphas: CudaArray,
        image_gradients: CudaArray,
        alpha_gradients: CudaArray | None,
        gradients: Mapping[str, CudaArray],
    ) -> dict[str, NDArray[Any]]:
        """As splat_backward. To the arrays in `gradients`, zeros before, it adds what that
        would return of the same names: means, quats and scales or covars, opacities, colors,
        means2d, radii. Returns "viewmats" (B, 4, 4) float64 and, where one was given, "background"
        (C,) float32, for which it waits."""

def cuda_splat(
    means: CudaArray,
    quats: CudaArray | None,
    scales: CudaArray | None,
    covars: CudaArray | None,
    opacities: CudaArray,
    colors: CudaArray,
    sh_degree: int | None,
    viewmats: F64,
    Ks: F64,
    width: int,
    height: int,
    background: F32 | None,
    quality: Quality,
    images: CudaArray,
    alphas: CudaArray,
    device: int,
    stream: int,
) -> CudaSplats:
    """`splat` on a CUDA device: draws into images (B, H, W, C) and alphas (B, H, W). `stream`, a
    cudaStream_t as a number, is where the arrays are ready and where all work is put; 0 is the
    default one. Raises DeviceError where the device fails."""

@overload
def rasterize_plain(
    means: F32,
    covars: F32,
    opacities: F32,
    colors: F32,
    viewmat: F64,
    K: F64,
    width: int,
    height: int,
    background: F32 | None,
    alpha_min: float,
    transmittance_min: float,
    precision: Literal["float32"],
) -> tuple[F32, F32, int]:
    """The renderer that one writes first: one thread, no vector code, a box per Gaussian.

    means (N, 3), covars (N, 6) as xx xy xz yy yz zz, opacities (N,), colors (N, 3), all float32 →
    image (H, W, 3), alpha (H, W), and how many (Gaussian, pixel) pairs were blended: those with
    alpha ≥ alpha_min on a pixel whose transmittance was still ≥ transmittance_min. Computes in
    `precision` throughout: float32 to be timed, float64 to be the truth.
    """

@overload
def rasterize_plain(
    means: F32,
    covars: F32,
    opacities: F32,
    colors: F32,
    viewmat: F64,
    K: F64,
    width: int,
    height: int,
    background: F32 | None,
    alpha_min: float,
    transmittance_min: float,
    precision: Literal["float64"],
) -> tuple[F64, F64, int]: ...
def thresholds(quality: Quality, haste: int = 0) -> tuple[float, float]:
    """The least alpha that is blended, and the transmittance below which blending stops. `haste`
    says how much "fast" leaves out, 0 … HASTES - 1."""

def rasterize_mesh(
    points: F32, faces: I32, width: int, height: int, threads: int
) -> tuple[I32, F32, F32]:
    """Nearest triangle of each pixel: points (V, 3) float32 hold pixel x, pixel y and depth > 0.

    Returns triangle (H, W) int32 (-1: none), perspective-correct barycentric (H, W, 3) float32 and
    depth (H, W) float32 (inf: none). Triangles of either orientation are drawn; one with a corner
    at depth ≤ 0 is not.
    """

class AvatarCore:
    """One avatar in the core's own layout: animates and renders it. Serves one thread at a time (a
    second one gets a RuntimeError); several objects, twins among them, may work at once."""

    def __init__(
        self,
        vertices: F32,
        faces: I32,
        expression_basis: F32,
        joints: F32,
        parents: I32,
        weights: F32,
        pose_correctives: F32,
        frame: Literal["affine", "similarity"],
        triangles: I32,
        barycentric: F32,
        offsets: F32,
        quats: F32,
        scales: F32,
        opacities: F32,
        colors: F32,
        threads: int,
        backend: Literal["cpu", "cuda"] = "cpu",
        device: int = 0,
    ) -> None:
        """colors: (N, 3), or (N, K, 3) spherical harmonics with K = 1, 4, 9 or 16. device: the
        number of the one that draws with backend "cuda", which raises DeviceError where it cannot.
        """

    @property
    def backend(self) -> Literal["cpu", "cuda"]: ...
    @property
    def device(self) -> int:
        """The CUDA device's number, where one draws."""

    def fall_back(self, threads: int) -> None:
        """From now on the processor draws this avatar, with as many threads."""

    def twin(self, threads: int | None = None) -> AvatarCore:
        """The same avatar for another thread: shares its arrays, with own memory to draw them. With
        `threads` the processor draws it, else what draws this one."""

    def vertices(self, coefficients: F32, joint_rotations: F32, translation: F32) -> F32:
        """(V, 3) float32 posed vertices."""

    def gaussians(
        self, coefficients: F32, joint_rotations: F32, translation: F32
    ) -> tuple[F32, F32]:
        """(means (N, 3), covars (N, 6)) float32 posed."""

    def render(
        self,
        coefficients: F32,
        joint_rotations: F32,
        translation: F32,
        viewmat: F64,
        K: F64,
        width: int,
        height: int,
        background: F32,
        format: PixelFormat,
        quality: Quality,
    ) -> tuple[U8 | F32, dict[str, float]]:
        """The whole frame: pixels as avatar_rt.types.Frame lays them out, and seconds per stage.

        `background` (3,) lies under rgb8, i420 and nv12; rgba8 and float32 keep their alpha
        instead. This and all that draws raises DeviceError where a device fails; then fall_back()
        helps.
        """

    def render_on_device(
        self,
        coefficients: F32,
        joint_rotations: F32,
        translation: F32,
        viewmat: F64,
        K: F64,
        width: int,
        height: int,
        background: F32,
        format: PixelFormat,
        quality: Quality,
    ) -> DeviceArray:
        """`render`'s pixels, left on the device; returns as soon as that is under way. ValueError
        with backend "cpu"."""

    def device_seconds(
        self,
        coefficients: F32,
        joint_rotations: F32,
        translation: F32,
        viewmat: F64,
        K: F64,
        width: int,
        height: int,
        background: F32,
        format: PixelFormat,
        quality: Quality,
        frames: int,
    ) -> float:
        """Seconds that a picture takes of the device by its own clock, the mean of `frames` in a
        row. ValueError with backend "cpu"."""

    def render_batch(
        self,
        coefficients: F32,
        joint_rotations: F32,
        translation: F32,
        viewmats: F64,
        Ks: F64,
        width: int,
        height: int,
        background: F32,
        format: PixelFormat,
        quality: Quality,
    ) -> tuple[U8 | F32, list[dict[str, float]]]:
        """B pictures at once: pixels (B, …) as B calls of `render` give them, bit for bit, and the
        seconds per stage of each.

        P poses (P, E), (P, J, 3), (P, 3) and C cameras (C, 4, 4), (C, 3, 3): pose k is seen by
        camera k, or the only pose by all cameras, or all poses by the only camera. An only pose is
        animated once, in the first picture's time. background: (3,), or (B, 3).
        """

    haste: int
    """How much quality "fast" leaves out, 0 … HASTES - 1; ValueError for another number. From 2 on,
    Gaussians of triangles that face away are among it."""

    @property
    def skipped(self) -> int:
        """Gaussians that the last render left out because a number of theirs was not finite; of a
        batch, in the picture with the most of them."""

class Animator:
    """A head's animation with gradients: a call gives B poses, the Gaussians, and, where not None,
    the vertices (V, 3) at rest that take the place of the head's own (its joints stay). Calls from
    several threads wait for each other. The bits do not depend on threads.

    A Gaussian's mean is corner 0 + b₁·edge 1 + b₂·edge 2 + frame·offset, so barycentric[:, 0] is
    taken to be what the other two leave of one. Quaternions may have any length (of zero length:
    no rotation, no gradient). triangles may come in any order; backward is fastest where they
    ascend. A triangle without area has finite Gaussians and moves only its first corner.
    """

    def __init__(
        self,
        vertices: F32,
        faces: I32,
        expression_basis: F32,
        joints: F32,
        parents: I32,
        weights: F32,
        pose_correctives: F32,
        threads: int,
    ) -> None: ...
    def forward(
        self,
        coefficients: F32,
        joint_rotations: F32,
        translation: F32,
        vertices: F32 | None,
        frame: Literal["affine", "similarity"],
        triangles: I32,
        barycentric: F32,
        offsets: F32,
        quats: F32,
        scales: F32,
    ) -> tuple[F32, F32, F32]:
        """coefficients (B, E), joint_rotations (B, J, 3), translation (B, 3), triangles (N,),
        barycentric (N, 3), offsets (N, 3), quats (N, 4), scales (N, 3) → means (B, N, 3), covars
        (B, N, 6) as xx xy xz yy yz zz, posed vertices (B, V, 3)."""

    def backward(
        self,
        coefficients: F32,
        joint_rotations: F32,
        translation: F32,
        vertices: F32 | None,
        frame: Literal["affine", "similarity"],
        triangles: I32,
        barycentric: F32,
        offsets: F32,
        quats: F32,
        scales: F32,
        means_gradient: F32 | None,
        covars_gradient: F32 | None,
        posed_gradient: F32 | None,
    ) -> tuple[F32, F32, F32, F32, F32, F32, F32, F32]:
        """∂loss/∂ of what forward returned (None: zero) → ∂loss/∂ coefficients, joint_rotations,
        translation, vertices, barycentric, offsets, quats and scales, shaped like them; those that
        all poses share are summed over them. A Gaussian whose mean or covariance is not finite gets
        zeros and gives none."""

class CudaAnimator:
    """Animator on a CUDA device: Gaussians, the head at rest and what comes of them are arrays of
    its; coefficients, joint_rotations, translation (a few numbers) and triangles, which are copied
    there when they change, are NumPy's. `stream`, a cudaStream_t as a number, is where the arrays
    are ready and where all work is put; 0 is the default one. The gradients' last bits vary.
    Raises DeviceError where the device fails."""

    def __init__(
        self,
        vertices: F32,
        faces: I32,
        expression_basis: F32,
        joints: F32,
        parents: I32,
        weights: F32,
        pose_correctives: F32,
        device: int,
    ) -> None: ...
    def forward(
        self,
        coefficients: F32,
        joint_rotations: F32,
        translation: F32,
        vertices: CudaArray | None,
        frame: Literal["affine", "similarity"],
        triangles: I32,
        barycentric: CudaArray,
        offsets: CudaArray,
        quats: CudaArray,
        scales: CudaArray,
        means: CudaArray,
        covars: CudaArray,
        posed: CudaArray,
        stream: int,
    ) -> None:
        """As Animator.forward, into means, covars and posed. Does not wait, so it cannot say that
        vertices are not finite: backward does."""

    def backward(
        self,
        coefficients: F32,
        joint_rotations: F32,
        translation: F32,
        vertices: CudaArray | None,
        frame: Literal["affine", "similarity"],
        triangles: I32,
        barycentric: CudaArray,
        offsets: CudaArray,
        quats: CudaArray,
        scales: CudaArray,
        means_gradient: CudaArray | None,
        covars_gradient: CudaArray | None,
        posed_gradient: CudaArray | None,
        gradients: Mapping[str, CudaArray],
        stream: int,
    ) -> tuple[F32, F32, F32]:
        """As Animator.backward. Sets the arrays in `gradients`: vertices (V, 3), barycentric,
        offsets, quats, scales. Returns ∂loss/∂ coefficients, joint_rotations and translation, for
        which it waits."""
