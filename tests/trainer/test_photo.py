"""Whatever a camera or an editor writes becomes upright opaque RGB, or an error that says why."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from avatar_rt.arrays import U8
from avatar_rt.errors import PhotoError
from trainer.portrait.photo import (
    MIN_SIDE,
    WORKING_SIDE,
    decode_photo,
    photo_from_array,
    read_photo,
)


def picture(width: int = 96, height: int = 80) -> Image.Image:
    """Red on the left, green on the right, blue along the top: each turn and flip differs."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[:, : width // 2, 0] = 200
    rgb[:, width // 2 :, 1] = 200
    rgb[: height // 4, :, 2] = 200
    return Image.fromarray(rgb)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def close(pixels: U8, image: Image.Image, tolerance: float) -> bool:
    return float(np.abs(pixels.astype(float) - np.asarray(image, float)).mean()) <= tolerance


@pytest.mark.parametrize(
    ("kind", "tolerance"), [("PNG", 0), ("JPEG", 6), ("WEBP", 6), ("TIFF", 0), ("BMP", 0)]
)
def test_formats(kind: str, tolerance: float) -> None:
    photo = decode_photo(encoded(picture(), kind), "a.x")
    assert photo.pixels.shape == (80, 96, 3)
    assert photo.pixels.dtype == np.uint8
    assert close(photo.pixels, picture(), tolerance)
    assert photo.notes == ()


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (3, Image.Transpose.ROTATE_180),
        (6, Image.Transpose.ROTATE_90),
        (8, Image.Transpose.ROTATE_270),
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
    ],
)
def test_exif_rotation_is_undone(orientation: int, stored: Image.Transpose) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = decode_photo(encoded(picture().transpose(stored), "JPEG", exif=exif, quality=95), "a")
    assert close(photo.pixels, picture(), 6)
    assert "upright" in photo.notes[0]


def test_exif_focal_length_becomes_pixels() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 50
    photo = decode_photo(encoded(picture(), "JPEG", exif=exif), "a")
    assert photo.focal == pytest.approx(50 / 43.27 * np.hypot(96, 80))
    assert decode_photo(encoded(picture(), "JPEG"), "a").focal is None


def test_transparency_is_laid_over_grey() -> None:
    image = picture().convert("RGBA")
    image.putalpha(0)
    photo = decode_photo(encoded(image), "a")
    assert (photo.pixels == 128).all()
    assert "grey" in photo.notes[0]


def test_transparent_palette_and_grey_with_alpha() -> None:
    palette = picture().quantize(4)
    assert close(decode_photo(encoded(palette), "a").pixels, picture(), 3)
    with_hole = encoded(palette, transparency=0)
    assert any("grey" in n for n in decode_photo(with_hole, "a").notes)
    la = Image.new("LA", (80, 80), (200, 255))
    assert (decode_photo(encoded(la), "a").pixels == 200).all()


def test_grey_photograph_is_said_to_be_grey() -> None:
    photo = decode_photo(encoded(picture().convert("L")), "a")
    assert photo.pixels.shape == (80, 96, 3)
    assert "grey" in photo.notes[0]


def test_sixteen_bits() -> None:
    values = np.asarray(picture().convert("L")).astype(np.uint16) * 257
    photo = decode_photo(encoded(Image.fromarray(values)), "a")
    assert close(photo.pixels[..., 0], picture().convert("L"), 1)


def test_cmyk() -> None:
    photo = decode_photo(encoded(picture().convert("CMYK"), "JPEG", quality=95), "a")
    assert photo.pixels.shape == (80, 96, 3)
    assert photo.pixels[40, 20, 0] > photo.pixels[40, 20, 1] + 50


def test_broken_colour_profile_is_ignored_and_a_good_one_used() -> None:
    photo = decode_photo(encoded(picture(), icc_profile=b"nonsense"), "a")
    assert close(photo.pixels, picture(), 0)
    good = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert close(decode_photo(encoded(picture(), icc_profile=good), "a").pixels, picture(), 2)


def test_large_picture_is_reduced_and_its_focal_with_it() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 43.27
    image = picture(WORKING_SIDE + 400, 200)
    photo = decode_photo(encoded(image, "JPEG", exif=exif), "a")
    assert photo.pixels.shape[1] == WORKING_SIDE
    expected = np.hypot(*image.size) * WORKING_SIDE / image.width
    assert photo.focal == pytest.approx(expected, rel=0.02)


def test_first_of_several_pictures() -> None:
    pages = encoded(picture(), "TIFF", save_all=True, append_images=[picture()])
    assert "first" in decode_photo(pages, "a").notes[0]


def claims_to_be_huge() -> bytes:
    """A PNG of a few bytes whose header promises 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"hello, I am a text file\n" * 9, "not a picture"),
        (b"GIF89a" + b"\0" * 200, "not a picture"),
        (b"%PDF-1.7\n" + b"\0" * 200, "not a picture"),
        (os.urandom(2000), "not a picture"),
        (encoded(picture())[:200], "broken"),
        (encoded(picture(), "JPEG")[:400], "broken"),
        (encoded(picture(), "WEBP")[:60], "picture"),
        (encoded(picture())[:20], "picture"),
        (b"\x89PNG\r\n\x1a\n", "picture"),
        (encoded(picture(MIN_SIDE - 1, 90)), "too small"),
        (claims_to_be_huge(), "megapixels"),
    ],
)
def test_bad_data_says_what_is_wrong(data: bytes, says: str) -> None:
    with pytest.raises(PhotoError, match=says) as caught:
        decode_photo(data, "holiday.png")
    assert str(caught.value).startswith("holiday.png: ")


def test_bad_paths(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="folder") as folder:
        read_photo(tmp_path)
    with pytest.raises(PhotoError, match="no such file") as absent:
        read_photo(tmp_path / "absent.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(PhotoError, match="not a picture") as text:
        read_photo(tmp_path / "text.png")
    assert str(folder.value).startswith(f"{tmp_path}: ")
    assert str(absent.value).startswith(f"{tmp_path / 'absent.png'}: ")
    assert str(text.value).startswith(f"{tmp_path / 'text.png'}: ")
    (tmp_path / "ok.png").write_bytes(encoded(picture()))
    assert read_photo(tmp_path / "ok.png").name == "ok.png"


def test_array() -> None:
    assert photo_from_array(np.zeros((80, 90, 3), np.uint8)).pixels.shape == (80, 90, 3)
    with pytest.raises(PhotoError, match="uint8"):
        photo_from_array(np.zeros((80, 90, 3), np.float32))
    with pytest.raises(PhotoError, match="too small"):
        photo_from_array(np.zeros((8, 90, 3), np.uint8))
