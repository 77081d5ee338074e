"""python -m trainer.evaluate NAME …: which measurement is in which file."""

from __future__ import annotations

import importlib
import sys

from avatar_rt.errors import AvatarRtError

MEASUREMENTS = {
    "against_gsplat": "trainer.evaluate.against_gsplat",
    "photo": "trainer.evaluate.photo",
    "video_driver": "trainer.evaluate.video_driver",
}
"""Each module has main(arguments) -> exit status."""


def main(arguments: list[str]) -> int:
    """Runs the measurement that the first argument names with the others."""
    if not arguments or arguments[0] not in MEASUREMENTS:
        names = " | ".join(MEASUREMENTS)
        print(f"usage: python -m trainer.evaluate {{{names}}} …", file=sys.stderr)
        return 2
    module = importlib.import_module(MEASUREMENTS[arguments[0]])
    try:
        return int(module.main(arguments[1:]))
    except AvatarRtError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
