"""`download`: killed, out of disk, started twice, on other runners; nothing leaves loopback."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline import storage
from pipeline.check import check_directory
from tests.e2e import jobs
from tests.e2e.test_object_store import bucket  # noqa: F401 (a fixture)
from tests.factories import write_manifest
from tests.image_server import OTHER_LOOPBACK, ImageServer, serving

pytest.importorskip("img2dataset", reason="needs the extra: pip install 'tag2text[download]'")

SHARDS, ROWS, PICTURES = 8, 24, 8


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImageServer]:
    """Serves pictures that take a while to make smaller."""
    folder = tmp_path_factory.mktemp("served")
    for number in range(PICTURES):
        picture = Image.linear_gradient("L").resize((1200, 1200)).rotate(40 * number)
        picture.convert("RGB").save(folder / f"{number}.jpg")
    with serving(ImageServer(folder=folder)) as running:
        yield running


@pytest.fixture(scope="module")
def inputs(server: ImageServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("download")
    urls = [server.url(f"files/{n % PICTURES}.jpg?{n}") for n in range(SHARDS * ROWS)]
    urls[5], urls[40] = server.url("status/404"), server.url("html/1")
    rows = [(url, ["a caption"]) for url in urls]
    write_manifest(folder / "manifest", rows, source="web", shard_rows=ROWS)
    jobs.run(line(folder, folder / "undisturbed"))
    return folder


def line(folder: Path, output: Path | str, *flags: str) -> list[str]:
    given = ["download", "--manifest", str(folder / "manifest"), "--output", str(output)]
    return [*given, "--allow-network", "127.0.0.1/32", *flags]


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_killed_in_the_middle_then_run_again_gives_the_same(
    inputs: Path, tmp_path: Path, server: ImageServer, workers: str
) -> None:
    command = line(inputs, tmp_path / "images", "--workers", workers)
    done = jobs.kill_in_the_middle(command, tmp_path / "images", shards=SHARDS)
    asked = server.requests.total()
    jobs.run(command)
    jobs.assert_same_but_times(tmp_path / "images", inputs / "undisturbed")
    again = jobs.finished(tmp_path / "images")
    assert {path: again[path] for path in done} == done  # nothing was made twice
    assert server.requests.total() - asked == (SHARDS - len(done)) * ROWS


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment(inputs: Path, tmp_path: Path, seed: int) -> None:
    command = line(inputs, tmp_path / "images")
    victim = jobs.start(command)
    time.sleep(random.Random(seed).uniform(1.0, 5.0))
    victim.kill()
    victim.wait()
    jobs.run(command)
    jobs.assert_same_but_times(tmp_path / "images", inputs / "undisturbed")


@pytest.mark.slow
def test_killed_while_it_retries_keeps_what_was_there(server: ImageServer, tmp_path: Path) -> None:
    urls = [server.url(f"files/{n % PICTURES}.jpg?{n}") for n in range(20)]
    urls[7::10] = [server.url("stall/1"), server.url("stall/2")]
    rows = [(url, ["a caption"]) for url in urls]
    write_manifest(tmp_path / "manifest", rows, source="web", shard_rows=10)
    command = line(tmp_path, tmp_path / "images", "--timeout", "1")
    jobs.run(command)
    before = {p: p.read_bytes() for p in (tmp_path / "images").glob("0000*")}
    victim = jobs.start([*command, "--retry-failed"])
    time.sleep(2.0)  # now the stalled ones are waited for again
    victim.kill()
    victim.wait()
    kept = {p: p.read_bytes() for p in before}
    assert {p: c for p, c in kept.items() if p.suffix != ".json"} == {
        p: c for p, c in before.items() if p.suffix != ".json"
    }
    jobs.run(command)
    assert check_directory(str(tmp_path / "images")) == []


@pytest.mark.slow
def test_a_second_run_into_the_same_directory_is_refused(inputs: Path, tmp_path: Path) -> None:
    first = jobs.start(line(inputs, tmp_path / "images"))
    try:
        jobs.wait_for((tmp_path / "images/lock.json").exists)
        second = jobs.run(line(inputs, tmp_path / "images"), check=False)
        assert second.returncode == 1
        assert f"process {first.pid}" in second.stderr
    finally:
        assert first.wait() == 0


@pytest.mark.slow
def test_a_full_disk_is_one_clear_line_and_nothing_half_written(
    inputs: Path, tmp_path: Path
) -> None:
    whole = sum(path.stat().st_size for path in (inputs / "undisturbed").rglob("*"))
    with jobs.small_disk(tmp_path, str(whole // 2)) as disk:
        command = line(inputs, disk / "images")
        failed = jobs.run(command, check=False)
        assert failed.returncode == 1
        words = [text for text in failed.stderr.splitlines() if " images/s" not in text]
        assert len(words) == 1
        assert "no space left on the disk" in words[0]
        jobs.subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        jobs.run(command)
        jobs.assert_same_but_times(disk / "images", inputs / "undisturbed")


@pytest.mark.slow
def test_the_portable_runner_gives_the_same(
    inputs: Path, tmp_path: Path, portable_runner: list[str]
) -> None:
    jobs.run(line(inputs, tmp_path / "images", *portable_runner))
    jobs.assert_same_but_times(tmp_path / "images", inputs / "undisturbed")


@pytest.mark.slow
def test_an_object_store_holds_the_same_and_retries_there(
    inputs: Path,
    tmp_path: Path,
    bucket: str,  # noqa: F811
) -> None:
    jobs.run(line(inputs, f"{bucket}/images"))
    for name in storage.list_names(str(inputs / "undisturbed")):
        if name.endswith((".tar", ".parquet", "COMPLETED")):
            local = (inputs / "undisturbed" / name).read_bytes()
            assert local == storage.read_bytes(f"{bucket}/images/{name}"), name
    assert check_directory(f"{bucket}/images") == []
    jobs.run(line(inputs, f"{bucket}/images", "--retry-failed"))


def test_one_loopback_address_permitted_and_another_forbidden(tmp_path: Path) -> None:
    with serving(ImageServer()) as permitted:
        port = permitted.server_address[1]
        with serving(ImageServer(OTHER_LOOPBACK, port=port)) as forbidden:
            urls = [permitted.url("ok/1"), forbidden.url("ok/1"), permitted.url("other/1")]
            rows = [(url, ["a caption"]) for url in urls]
            write_manifest(tmp_path / "manifest", rows, source="web", shard_rows=10)
            done = jobs.run(line(tmp_path, tmp_path / "images"))
            assert forbidden.requests.total() == 0
    reasons = pq.read_table(tmp_path / "images/00000.parquet")["reason"].to_pylist()
    assert reasons == ["success", "forbidden_address", "forbidden_address"]
    assert done.stdout.splitlines() == [
        "result\timages\tshare",
        "success\t1\t33.3%",
        "forbidden_address\t2\t66.7%",
        f"{tmp_path}/images: 1 image, 0.0 MB as sent; download_report.html",
    ]


def test_without_permission_loopback_is_forbidden(tmp_path: Path) -> None:
    with serving(ImageServer()) as server:
        rows = [(server.url("ok/1"), ["a caption"])]
        write_manifest(tmp_path / "manifest", rows, source="web", shard_rows=10)
        command = line(tmp_path, tmp_path / "images")[:-2]
        failed = jobs.run(command, check=False)
        assert failed.returncode == 1
        assert "most of them forbidden_address" in failed.stderr
        assert server.requests.total() == 0
        jobs.run([*command, "--allow-private-addresses", "--max-bad-ratio", "1"])  # it is finished
        assert server.requests.total() == 0


def test_everything_permitted_is_everything(tmp_path: Path) -> None:
    with serving(ImageServer()) as server:
        rows = [(server.url("ok/1"), ["a caption"])]
        write_manifest(tmp_path / "manifest", rows, source="web", shard_rows=10)
        command = line(tmp_path, tmp_path / "images")[:-2]
        done = jobs.run([*command, "--allow-private-addresses", "--option", "encode_format=png",
                         "--quality", "9"])  # fmt: skip
        assert "success\t1\t100.0%" in done.stdout


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--allow-network", "10.1.2.3/16"], "--allow-network: 10.1.2.3/16"),
        (["--option", "size=3"], "--option size"),
        (["--timeout", "0"], "--timeout 0"),
        (["--image-root", "/nowhere/at/all"], "no such local folder"),
    ],
)
def test_wrong_flags_are_one_line(tmp_path: Path, flags: list[str], message: str) -> None:
    write_manifest(tmp_path / "manifest", [("http://a/", ["a"])], source="web", shard_rows=1)
    failed = jobs.run(line(tmp_path, tmp_path / "images", *flags), check=False)
    assert failed.returncode == 2
    assert message in failed.stderr
    assert len(failed.stderr.splitlines()) == 1
