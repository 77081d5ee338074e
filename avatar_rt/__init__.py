"""avatar-rt: one portrait photograph becomes a 3D head avatar, streamed live.

    import avatar_rt

    avatar = avatar_rt.Avatar.load("me.avatar")
    renderer = avatar_rt.Renderer(avatar)
    face = avatar_rt.FaceParams.from_arkit({"jawOpen": 0.6})
    frame = renderer.render(face, renderer.camera(yaw=0.5))
    frame.pixels  # (512, 512, 3) uint8

Names are imported when first used, so that `import avatar_rt` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avatar_rt.avatar import Avatar as Avatar
    from avatar_rt.render import Renderer as Renderer
    from avatar_rt.splat import rasterize as rasterize
    from avatar_rt.types import Camera as Camera
    from avatar_rt.types import FaceParams as FaceParams
    from avatar_rt.types import Frame as Frame

_HOMES = {
    "Avatar": "avatar_rt.avatar",
    "Camera": "avatar_rt.types",
    "FaceParams": "avatar_rt.types",
    "Frame": "avatar_rt.types",
    "Renderer": "avatar_rt.render",
    "rasterize": "avatar_rt.splat",
}
__version__ = "0.1.0"
__all__ = ["Avatar", "Camera", "FaceParams", "Frame", "Renderer", "rasterize"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'avatar_rt' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)
