"""Many avatars drawn at once: what a server of many conversations asks of one device."""

from __future__ import annotations

from collections.abc import Sequence

from avatar_rt import _core
from avatar_rt.errors import ParameterError
from avatar_rt.render import WHITE, Renderer
from avatar_rt.types import Camera, FaceParams, Frame, PixelFormat, Quality


def render_together(
    orders: Sequence[tuple[Renderer, FaceParams, Camera | None]],
    *,
    background: Sequence[float] = WHITE,
    format: PixelFormat = "rgb8",
    quality: Quality | None = None,
) -> list[Frame]:
    """A picture of each of several avatars, as their renderers would draw them, bit for bit.

    Where all are drawn by one CUDA device, it draws them in one launch; elsewhere one follows the
    other. Sizes may differ. An avatar that is wanted in two faces takes a twin() of its renderer.

    Raises ParameterError as Renderer.render does, and for a renderer that comes twice.
    """
    drawers = [renderer._drawer for renderer, _, _ in orders]
    if len(set(map(id, drawers))) != len(drawers):
        raise ParameterError("a renderer comes twice: take a twin() of it")
    shots = [
        renderer._shot(params, camera, background, format, quality)
        for renderer, params, camera in orders
    ]
    by_cuda = all(drawer.reason is None for drawer in drawers)
    if len(orders) > 1 and by_cuda and len({drawer.core.device for drawer in drawers}) == 1:
        try:
            drawn = _core.render_together([drawer.core for drawer in drawers], shots)
        except ValueError as error:
            raise ParameterError(f"cannot be drawn together: {error}") from error
        except _core.DeviceError:
            pass  # for lack of memory one by one may do; whatever else it is, each will meet it
        else:
            return [Frame(pixels, format, timings) for pixels, timings in drawn]
    return [
        renderer.render(params, camera, background=background, format=format, quality=quality)
        for renderer, params, camera in orders
    ]
