"""A photograph as recipes want it: upright, sRGB, eight bits, opaque; or an error saying why.

Whatever a camera, a phone or an image editor may have written comes through here: EXIF rotation,
colour profiles, CMYK, palettes, greys, sixteen bits, transparency, and files that are no pictures.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from avatar_rt.arrays import U8
from avatar_rt.errors import PhotoError

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
MAX_BYTES = 128 * 2**20
MAX_PIXELS = 100_000_000
MIN_SIDE = 64
"""Below this many pixels no face in the picture has the eyes and lips that a fit needs."""
WORKING_SIDE = 3072
"""Larger photographs are reduced to this side, of which Gaussians can still use all."""
_NEUTRAL = (128, 128, 128)
_EXIF_IFD, _FOCAL_35MM = 0x8769, 0xA405
_DIAGONAL_35MM = 43.27
_BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError,
    MemoryError, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow's decoders have been seen to raise on damaged files."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph, read and made upright."""

    pixels: U8
    """(H, W, 3) uint8 sRGB."""
    name: str
    """The file's name without its folder, which is nobody's business."""
    focal: float | None = None
    """Focal length in pixels, where the camera wrote it down."""
    notes: tuple[str, ...] = ()
    """What had to be done to the picture, for the user to know."""
    path: str = ""
    """The file as the user named it; for messages, and not to be kept."""

    @property
    def source(self) -> str:
        """What messages call the photograph."""
        return self.path or self.name


def read_photo(path: str | Path) -> Photo:
    """Reads a photograph file.

    Raises PhotoError, naming the file, for what is no picture, broken, too large or too small.
    """
    path = Path(path)
    photo = decode_photo(_file_bytes(path), str(path))
    return replace(photo, name=path.name, path=str(path))


def decode_photo(data: bytes, name: str) -> Photo:
    """A photograph from the bytes of its file; `name` is for messages and provenance.

    Raises PhotoError as read_photo does.
    """
    if not data:
        raise PhotoError(f"{name}: the file is empty")
    with warnings.catch_warnings():
        # size is checked below, against a limit of our own; odd EXIF is no reason to complain
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return _prepare(image, name)
        except UnidentifiedImageError:
            known = "PNG, JPEG, WebP, TIFF or BMP"
            raise PhotoError(f"{name}: not a picture that can be read; give a {known}") from None
        except Image.DecompressionBombError:
            raise PhotoError(_too_large(name)) from None
        except _BROKEN as error:
            raise PhotoError(f"{name}: the picture is broken or truncated ({error})") from None


def photo_from_array(pixels: U8, name: str = "image") -> Photo:
    """A photograph that is already in memory: (H, W, 3) uint8 sRGB.

    Raises PhotoError for another shape or dtype, or a side shorter than MIN_SIDE.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise PhotoError(f"{name}: expected (H, W, 3) uint8, got {pixels.shape} {pixels.dtype}")
    _check_size(pixels.shape[1], pixels.shape[0], name)
    return Photo(np.ascontiguousarray(pixels), name)


def _file_bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise PhotoError(f"{path}: is a folder; give a photograph")
        if not path.is_file():
            raise PhotoError(f"{path}: there is no such file")
        if path.stat().st_size > MAX_BYTES:
            raise PhotoError(f"{path}: larger than {MAX_BYTES >> 20} MB; save a smaller one")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise PhotoError(f"{path}: cannot be read ({error})") from None


def _too_large(name: str) -> str:
    return f"{name}: more than {MAX_PIXELS // 1_000_000} megapixels; save a smaller copy"


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise PhotoError(_too_large(name))
    if min(width, height) < MIN_SIDE:
        raise PhotoError(
            f"{name}: {width}x{height} pixels is too small; both sides need at least {MIN_SIDE}"
        )


def _prepare(image: Image.Image, name: str) -> Photo:
    _check_size(*image.size, name)
    full = image.size
    notes: list[str] = []
    if getattr(image, "n_frames", 1) > 1:
        notes.append("several pictures in the file: the first is used")
    image.draft("RGB", (WORKING_SIDE, WORKING_SIDE))  # lets JPEG decode at a half or a quarter
    focal = _focal(image, full)
    upright = ImageOps.exif_transpose(image)
    if upright.size != image.size or image.getexif().get(0x0112, 1) not in (0, 1):
        notes.append("turned upright as its EXIF says")
    rgb = _to_srgb(_opaque(_eight_bits(upright), notes), image.info.get("icc_profile"))
    if max(rgb.size) > WORKING_SIDE:
        rgb.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.LANCZOS)
    pixels = np.ascontiguousarray(np.asarray(rgb, np.uint8))
    if int(np.ptp(pixels.astype(np.int16), axis=2).max()) <= 8:
        notes.append("a grey photograph: the avatar will be grey too")
    if focal is not None:
        focal *= max(rgb.size) / max(full)
    return Photo(pixels, name, focal, tuple(notes))


def _focal(image: Image.Image, size: tuple[int, int]) -> float | None:
    """Focal length in pixels from EXIF's 35 mm equivalent, by the diagonal, if it is plausible."""
    try:
        value = float(image.getexif().get_ifd(_EXIF_IFD).get(_FOCAL_35MM, 0))
    except (TypeError, ValueError, ZeroDivisionError, OSError):
        return None
    if not 12 <= value <= 1200:
        return None
    return value / _DIAGONAL_35MM * float(np.hypot(*size))


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode not in ("I", "F", "I;16", "I;16B", "I;16L", "I;16N"):
        return image
    values = np.asarray(image, np.float64)
    # integer modes hold 16-bit greys whatever their width; floats are 0-1, or 0-255 if they exceed
    top = 65535.0 if image.mode != "F" else (1.0 if values.max(initial=0) <= 1.0 else 255.0)
    return Image.fromarray(
        np.clip(np.nan_to_num(values) / top * 255 + 0.5, 0, 255).astype(np.uint8)
    )


def _opaque(image: Image.Image, notes: list[str]) -> Image.Image:
    if not image.has_transparency_data:
        return image if image.mode in ("RGB", "CMYK", "LAB") else image.convert("RGB")
    layered = image.convert("RGBA")
    if layered.getchannel("A").getextrema() == (255, 255):
        return layered.convert("RGB")
    notes.append("see-through parts are laid over grey")
    ground = Image.new("RGBA", layered.size, (*_NEUTRAL, 255))
    ground.alpha_composite(layered)
    return ground.convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            turned = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            turned = None  # a broken profile: the plain values are the best there is
        if turned is not None:
            return turned
    return image.convert("RGB")
