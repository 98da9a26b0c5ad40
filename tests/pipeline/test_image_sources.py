import io
import os
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.image_sources import FolderImages, ImageReader, open_images
from pipeline.images import BYTE_LIMIT, BadImageError
from tests.pictures import picture
from vocab.errors import InputError

KEY = "coco-000000001"


def refusal(reader: ImageReader, image: str, key: str = KEY) -> str:
    with pytest.raises(BadImageError) as caught:
        reader.read(key, image)
    return caught.value.reason


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "a.jpg").write_bytes(b"an image")
    (tmp_path / "secret.jpg").write_bytes(b"a secret")
    return folder


def test_a_file_below_the_root_is_read(root: Path) -> None:
    reader = FolderImages(str(root))
    assert reader.read(KEY, "train/a.jpg") == b"an image"
    assert reader.read(KEY, "./train//a.jpg") == b"an image"
    assert reader.known_keys() == []


@pytest.mark.parametrize(
    "image", ["../secret.jpg", "train/../../secret.jpg", "/etc/passwd", "train/..", ".."]
)
def test_paths_that_leave_the_root_are_refused(root: Path, image: str) -> None:
    assert refusal(FolderImages(str(root)), image) == "outside_root"


def test_links_are_followed_within_the_root_only(root: Path) -> None:
    (root / "link.jpg").symlink_to("train/a.jpg")
    (root / "leak.jpg").symlink_to(root.parent / "secret.jpg")
    (root / "leaky").symlink_to(root.parent)
    (root / "broken.jpg").symlink_to("nowhere.jpg")
    (root / "loop.jpg").symlink_to("loop.jpg")
    reader = FolderImages(str(root))
    assert reader.read(KEY, "link.jpg") == b"an image"
    assert refusal(reader, "leak.jpg") == "outside_root"
    assert refusal(reader, "leaky/secret.jpg") == "outside_root"
    assert refusal(reader, "broken.jpg") == "no_image"
    assert refusal(reader, "loop.jpg") == "no_image"


def test_a_root_that_is_a_link_itself_is_fine(root: Path, tmp_path: Path) -> None:
    (tmp_path / "there").symlink_to(root)
    assert FolderImages(str(tmp_path / "there")).read(KEY, "train/a.jpg") == b"an image"


@pytest.mark.parametrize(
    "image",
    ["", "http://example.org/a.jpg", "gone.jpg", "train", "train/a.jpg/b.jpg", "a\0b", "x" * 5000],
)
def test_what_has_no_file_is_no_image(root: Path, image: str) -> None:
    assert refusal(FolderImages(str(root)), image) == "no_image"


def test_a_named_pipe_does_not_wait(root: Path) -> None:
    os.mkfifo(root / "pipe.jpg")
    assert refusal(FolderImages(str(root)), "pipe.jpg") == "no_image"


def test_a_huge_file_is_not_read(root: Path) -> None:
    with (root / "huge.jpg").open("wb") as stream:
        stream.truncate(BYTE_LIMIT + 1)
    assert refusal(FolderImages(str(root)), "huge.jpg") == "too_many_bytes"


def test_a_missing_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--image-root"):
        with open_images(image_root=str(tmp_path / "no"), images=None, stem="00000"):
            pass


def add(
    tar: tarfile.TarFile, name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE
) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = len(content), kind, "/etc/passwd"
    tar.addfile(member, io.BytesIO(content))


def download(folder: Path, members: dict[str, bytes], failed: dict[str, str] | None = None) -> str:
    """Write a shard as img2dataset does."""
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / "00000.tar", "w") as tar:
        for name, content in members.items():
            add(tar, name, content)
    keys = sorted({name.partition(".")[0] for name in members})
    rows = [{"key": key, "status": "success", "error_message": None} for key in keys]
    for key, message in (failed or {}).items():
        rows.append({"key": key, "status": "failed_to_download", "error_message": message})
    pq.write_table(pa.Table.from_pylist(rows), folder / "00000.parquet")
    return str(folder)


def test_a_downloaded_shard_is_read_by_key_in_any_order(tmp_path: Path) -> None:
    members = {f"coco-00000000{n}.jpg": bytes([n]) * n * 700 for n in (3, 1, 2)}
    members["coco-000000001.json"] = b"{}"
    members["coco-000000001.txt"] = b"a caption"
    images = download(tmp_path / "d", members, {"coco-000000004": "HTTP Error 404"})
    with open_images(image_root=None, images=images, stem="00000") as reader:
        assert reader.known_keys() == [f"coco-00000000{n}" for n in (1, 2, 3)]
        for n in (1, 2, 3):
            assert reader.read(f"coco-00000000{n}", "http://x") == bytes([n]) * n * 700
        with pytest.raises(BadImageError) as caught:
            reader.read("coco-000000004", "http://x")
        assert caught.value.reason == "download_failed"
        assert "HTTP Error 404" in caught.value.detail
        assert refusal(reader, "http://x", "coco-000000009") == "no_image"


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_only_regular_members_are_images(tmp_path: Path, kind: bytes) -> None:
    images = download(tmp_path / "d", {f"{KEY}.jpg": b"x"})
    with tarfile.open(tmp_path / "d" / "00000.tar", "w") as tar:
        add(tar, f"{KEY}.jpg", kind=kind)
    with pytest.raises(InputError, match="lacks coco-000000001"):
        with open_images(image_root=None, images=images, stem="00000"):
            pass


def test_names_of_a_hostile_tar_are_never_paths(tmp_path: Path) -> None:
    names = {"../../evil.jpg": b"1", "/abs.jpg": b"2", f"{KEY}.jpg": b"3", "..jpg": b"4"}
    images = download(tmp_path / "d", names)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="lacks"):
        # "../../evil" has no key: its row cannot be found among the members
        with open_images(image_root=None, images=images, stem="00000"):
            pass
    assert sorted(tmp_path.rglob("*")) == before


def test_a_huge_member_is_not_read(tmp_path: Path) -> None:
    images = download(tmp_path / "d", {f"{KEY}.jpg": b"x"})
    with (tmp_path / "d" / "00000.tar").open("wb") as stream:
        member = tarfile.TarInfo(f"{KEY}.jpg")
        member.size = BYTE_LIMIT + 1
        stream.write(member.tobuf())
        stream.truncate(512 + BYTE_LIMIT + 2048 - BYTE_LIMIT % 512)
    with open_images(image_root=None, images=images, stem="00000") as reader:
        assert refusal(reader, "", KEY) == "too_many_bytes"


def test_a_size_that_lies_is_refused(tmp_path: Path) -> None:
    images = download(tmp_path / "d", {f"{KEY}.jpg": b"x"})
    member = tarfile.TarInfo(f"{KEY}.jpg")
    member.size = 1 << 40
    (tmp_path / "d" / "00000.tar").write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(InputError, match="not a whole tar"):
        with open_images(image_root=None, images=images, stem="00000"):
            pass


@pytest.mark.parametrize("keep", [0, 100, 511, 600, 1024, 1200])
def test_a_truncated_tar_is_refused(tmp_path: Path, keep: int) -> None:
    images = download(tmp_path / "d", {f"{KEY}.jpg": picture(), "coco-000000002.jpg": picture()})
    tar = tmp_path / "d" / "00000.tar"
    tar.write_bytes(tar.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"00000\.tar: (lacks|not a whole tar).*download"):
        with open_images(image_root=None, images=images, stem="00000"):
            pass


def test_missing_files_of_a_shard_are_named(tmp_path: Path) -> None:
    images = download(tmp_path / "d", {f"{KEY}.jpg": b"x"})
    (tmp_path / "d" / "00000.parquet").unlink()
    with pytest.raises(InputError, match=r"00000\.parquet: no such file"):
        with open_images(image_root=None, images=images, stem="00000"):
            pass
    with pytest.raises(InputError, match=r"00001\.tar: no such file"):
        with open_images(image_root=None, images=images, stem="00001"):
            pass


def test_a_table_without_status_is_refused(tmp_path: Path) -> None:
    images = download(tmp_path / "d", {f"{KEY}.jpg": b"x"})
    pq.write_table(pa.table({"key": [KEY]}), tmp_path / "d" / "00000.parquet")
    with pytest.raises(InputError, match="no column"):
        with open_images(image_root=None, images=images, stem="00000"):
            pass
