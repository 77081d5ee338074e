"""The studio lends scenes; those of one avatar share its arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from avatar_rt.avatar import Avatar
from avatar_rt.render import Renderer
from avatar_rt.server import studio as studio_module
from avatar_rt.types import FaceParams
from tests.factory import small_avatar
from tests.server.conftest import Serve


async def test_scenes_of_one_avatar_share_its_arrays(
    serve: Serve, egg: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Avatar] = []

    def counted(avatar: Avatar, **settings: Any) -> Renderer:
        made.append(avatar)
        return Renderer(avatar, **settings)

    monkeypatch.setattr(studio_module, "Renderer", counted)
    other = small_avatar()
    async with serve(scenes=4) as running:
        studio = running.studio
        own = [await studio.own_scene(avatar) for avatar in (egg, other, other)]
        assert [scene.renderer.avatar for scene in own] == [egg, other, other]
        assert made == [egg, other]
        renderers = [studio.shared.renderer, *(scene.renderer for scene in own)]
        assert len(set(map(id, renderers))) == 4
        camera = own[0].camera()
        pictures = [r.twin().render(FaceParams(), camera).pixels for r in renderers]
        np.testing.assert_array_equal(pictures[0], pictures[1])
        np.testing.assert_array_equal(pictures[2], pictures[3])
        # whoever leaves takes nothing from the others
        for scene in own[:2]:
            await studio.give_back(scene)
        np.testing.assert_array_equal(
            own[2].renderer.twin().render(FaceParams(), camera).pixels, pictures[3]
        )
