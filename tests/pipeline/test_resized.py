"""img2dataset's resizer and writer: how images are made smaller, and its own options."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.download import download
from pipeline.images import measure, plain_picture
from pipeline.img2dataset_options import COLUMNS, ELSEWHERE, RESIZER
from pipeline.resized import ResizeSettings
from tests.downloads import configured, manifest, members, table
from tests.image_server import rotated_picture
from tests.pictures import opened, picture
from vocab.errors import InputError
from vocab.install import install_hint

pytest.importorskip("img2dataset", reason="needs the extra: pip install 'tag2text[download]'")


def test_images_of_a_folder_go_the_same_way(tmp_path: Path) -> None:
    (tmp_path / "root/sub").mkdir(parents=True)
    (tmp_path / "root/sub/large.png").write_bytes(picture("PNG", size=(600, 500)))
    (tmp_path / "root/small.jpg").write_bytes(picture())
    (tmp_path / "secret.jpg").write_bytes(picture())
    manifest(tmp_path, ["sub/large.png", "small.jpg", "gone.jpg", "../secret.jpg"])
    download(configured(tmp_path, image_root=str(tmp_path / "root")))
    rows = table(tmp_path)
    assert [r["reason"] for r in rows] == ["success", "success", "no_image", "outside_root"]
    assert (rows[0]["width"], rows[0]["height"]) == (461, 384)
    assert (rows[0]["original_width"], rows[0]["original_height"]) == (600, 500)
    assert (rows[1]["width"], rows[1]["height"]) == (40, 30)  # never made larger


@pytest.mark.parametrize(
    ("settings", "size", "name"),
    [
        ({"image_size": 100, "resize_mode": "keep_ratio"}, (120, 100), "jpg"),
        ({"image_size": 100, "resize_mode": "keep_ratio_largest"}, (100, 83), "jpg"),
        ({"image_size": 100, "resize_mode": "center_crop"}, (100, 100), "jpg"),
        ({"image_size": 100, "resize_mode": "border"}, (100, 100), "jpg"),
        ({"resize_mode": "no"}, (600, 500), "jpg"),
        ({"image_size": 100, "options": (("encode_format", "webp"),)}, (120, 100), "webp"),
        ({"image_size": 700, "options": (("resize_only_if_bigger", False),)}, (840, 700), "jpg"),
        ({"image_size": 9, "options": (("disable_all_reencoding", True),)}, (600, 500), "jpg"),
    ],
)
def test_resize_modes_and_img2datasets_own_options(
    tmp_path: Path, settings: dict[str, Any], size: tuple[int, int], name: str
) -> None:
    (tmp_path / "a.png").write_bytes(picture("PNG", size=(600, 500)))
    manifest(tmp_path, ["a.png"])
    resize = ResizeSettings(**settings)
    download(configured(tmp_path, image_root=str(tmp_path), resize=resize))
    image = opened(members(tmp_path)[f"web-000000000.{name}"])
    assert image.size == size == (table(tmp_path)[0]["width"], table(tmp_path)[0]["height"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resize_mode": "stretch"}, "--resize-mode stretch"),
        ({"options": (("blurrer", 1),)}, "--option blurrer"),
        (
            {"options": (("save_additional_columns", "a"),)},
            "not passed through; a manifest has none",
        ),
        ({"options": (("image_size", 3),)}, "not passed through; give --image-size"),
        ({"options": (("encode_format", "gif"),)}, "--option encode_format=gif: not a value"),
        ({"options": (("skip_reencode", 1),)}, "--option skip_reencode=1: not a value"),
        ({"options": (("encode_format", "png"),)}, "--quality 95: .* PNG .* 0 to 9"),
        ({"options": (("max_image_area", -1),)}, "--option max_image_area=-1"),
        ({"options": (("compute_hash", "crc"),)}, "--option compute_hash=crc"),
        ({"max_pixels": 0}, "--max-pixels 0"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ResizeSettings(**settings)


def test_every_option_of_img2datasets_is_passed_through_or_refused_with_a_reason() -> None:
    from img2dataset import download as theirs

    tables = (RESIZER, COLUMNS, ELSEWHERE)
    names = [name for table in tables for name in table]
    assert sorted(names) == sorted(inspect.signature(theirs).parameters)


def test_the_resizers_options_are_its_own() -> None:
    from img2dataset.resizer import Resizer

    ours = {"image_size", "resize_mode", "encode_quality", "min_image_size", "max_aspect_ratio"}
    assert set(RESIZER) | ours == set(inspect.signature(Resizer).parameters) - {"blurrer"}


def test_bytes_that_are_not_to_be_touched_are_not(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(rotated_picture())
    (tmp_path / "b.jpg").write_bytes(picture(mode="CMYK"))
    manifest(tmp_path, ["a.jpg", "b.jpg"])
    resize = ResizeSettings(options=(("disable_all_reencoding", True),))
    download(configured(tmp_path, image_root=str(tmp_path), resize=resize))
    for number, name in enumerate("ab"):
        content = members(tmp_path)[f"web-{number:09d}.jpg"]
        assert content == (tmp_path / f"{name}.jpg").read_bytes()


def two_widths() -> bytes:
    """Return a TIFF whose width is given twice; who believes the first decodes 40 columns."""
    content = bytearray(picture("TIFF"))
    (start,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, start)
    entries = content[start + 2 : start + 2 + 12 * count]
    content[4:8] = struct.pack("<I", len(content))
    second = struct.pack("<HHII", 256, 4, 1, 20)
    return bytes(content + struct.pack("<H", count + 1) + entries[:12] + second + entries[12:]) + (
        bytes(4)
    )


def test_what_readers_differ_on_is_read_once() -> None:
    assert plain_picture(picture()) == picture()
    header = measure(two_widths())
    assert opened(plain_picture(two_widths())).size == (header.width, header.height)


def test_columns_that_options_ask_for(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    (tmp_path / "a.jpg").write_bytes(picture(exif=exif.tobytes()))
    manifest(tmp_path, ["a.jpg", "gone.jpg"])
    resize = ResizeSettings(options=(("extract_exif", True), ("compute_hash", "md5")))
    download(configured(tmp_path, image_root=str(tmp_path), resize=resize))
    row, gone = table(tmp_path)
    assert row["md5"] == hashlib.md5((tmp_path / "a.jpg").read_bytes()).hexdigest()
    assert json.loads(row["exif"]) == {"Image Make": "a maker"}
    assert len(row["sha256"]) == 64
    assert (gone["md5"], gone["exif"]) == (None, None)
    assert json.loads(members(tmp_path)["web-000000000.json"]) == row


def test_without_img2dataset_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest(tmp_path, ["a.jpg"])
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match=re.escape(install_hint("download"))):
        download(configured(tmp_path))


def test_a_large_image_is_never_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object) -> bytes:
        raise AssertionError("decoded")

    monkeypatch.setattr("pipeline.resized.plain_picture", decode)
    (tmp_path / "a.png").write_bytes(picture("PNG", size=(50, 50)))
    manifest(tmp_path, ["a.png"])
    download(configured(tmp_path, image_root=str(tmp_path), resize=ResizeSettings(max_pixels=2499)))
    assert table(tmp_path)[0]["reason"] == "too_many_pixels"
