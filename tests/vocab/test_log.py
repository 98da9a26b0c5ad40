import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vocab.review.desks import pull
from vocab import log as log_module
from vocab.decisions import DECIDING, format_event, read_log, replay
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.log import log_path, new_event, open_log

ROOT = Path(__file__).parents[2]
DOG = Tag("object", "dog")


def keep(tag="dog", by="ann", act="keep", **more):
    return new_event(by, Tag("object", tag), act, **more)


def python(code, *args, **more):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        **more,
    )


def test_events_are_whole_lines_in_the_order_given(tmp_path):
    path = log_path(tmp_path / "log", "ann")
    with open_log(path) as writer:
        assert not path.exists()  # who only looks leaves no log
        first, second = keep(), keep("cat", act="drop", why="vague")
        writer.append(first, second)
        writer.append()
        third = keep("cow", act="merge", to="object:cat", ms=410, p=0.25)
        writer.append(third)
    assert path.read_text() == "".join(map(format_event, (first, second, third)))
    assert read_log([path]) == ([first, second, third], [])


def test_what_something_else_wrote_is_news_once(tmp_path):
    path, mine, theirs = log_path(tmp_path, "ann"), keep(), keep("cat")
    with open_log(path) as writer:
        assert writer.news() is None
        pull(path, theirs)
        writer.append(mine)
        assert writer.news() == ([theirs, mine], [])
        writer.append(keep("cow"))
        assert writer.news() is None
        path.write_bytes(path.read_bytes() + b"<<<<<<< HEAD\n")
        events, (problem,) = writer.news()
        assert (len(events), problem.line) == (3, 4)
        path.unlink()
        assert writer.news() is None


@pytest.mark.parametrize("name", ["ann", "a", "0", "bootstrap-a", "a.b_c-9", "x" * 32])
def test_names_of_annotators(tmp_path, name):
    assert log_path(tmp_path, name) == tmp_path / f"{name}.jsonl"
    open_log(log_path(tmp_path, name)).append(keep(by=name))


@pytest.mark.parametrize(
    "name", ["", "Ann", ".a", "-a", "a/b", "../a", "a b", "é", "x" * 33, "a\n", "a\0"]
)
def test_names_that_could_be_anything_else_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="a name has up to 32 of a-z 0-9") as error:
        log_path(tmp_path, name)
    assert "\n" not in str(error.value)


def test_an_event_of_somebody_else_or_too_long_is_not_written(tmp_path):
    with open_log(log_path(tmp_path, "ann")) as writer:
        with pytest.raises(ValueError, match=r"by bob does not belong into ann\.jsonl"):
            writer.append(keep(), keep(by="bob"))
        with pytest.raises(InputError, match="object:dog: the note is too long"):
            writer.append(keep(), keep(note="n" * 70_000))
        assert not writer.path.exists()


def test_the_second_instance_is_refused_with_who_holds_the_log(tmp_path):
    path = log_path(tmp_path, "ann")
    with open_log(path):
        for _ in range(2):  # the refusal leaves the lock and its text alone
            with pytest.raises(InputError) as error:
                open_log(path)
            assert str(error.value).startswith(f"ann is open in process {os.getpid()} on ")
            assert str(error.value).endswith("; close it, or review under another --annotator name")
        open_log(log_path(tmp_path, "bob")).close()
    open_log(path).close()


def test_another_process_is_refused_until_the_first_is_dead(tmp_path):
    path = log_path(tmp_path, "ann")
    code = (
        "import sys, time; from pathlib import Path; from vocab.log import open_log\n"
        "writer = open_log(Path(sys.argv[1])); print('open', flush=True); time.sleep(60)"
    )
    with python(code, path) as process:
        assert process.stdout.readline() == "open\n"
        with pytest.raises(InputError, match=f"open in process {process.pid} on "):
            open_log(path)
        process.kill()
    open_log(path).close()


def test_a_torn_tail_is_sealed_not_cut_away(tmp_path):
    path = log_path(tmp_path, "ann")
    whole, torn = format_event(keep()), format_event(keep("cat"))[:-9]
    path.write_text(whole + torn)
    with open_log(path) as writer:
        assert path.read_text() == whole + torn + "\n"
        writer.append(keep("cow"))
    events, problems = read_log([path])
    assert [e.key for e in events] == ["object:dog", "object:cow"]
    assert [(p.line, p.reason[:8]) for p in problems] == [(2, "not JSON")]


def test_a_line_that_lacks_only_its_end_still_counts(tmp_path):
    path = log_path(tmp_path, "ann")
    path.write_text(format_event(keep())[:-1])
    with open_log(path) as writer:
        writer.append(keep("cow"))
    assert [e.key for e in read_log([path])[0]] == ["object:dog", "object:cow"]


def test_a_log_that_git_replaces_meanwhile_is_continued_where_it_now_is(tmp_path):
    path = log_path(tmp_path, "ann")
    with open_log(path) as writer:
        writer.append(keep())
        merged = tmp_path / "merged"
        merged.write_text(path.read_text() + format_event(keep("cat"))[:-1])
        merged.replace(path)
        writer.append(keep("cow"))
    assert [e.key for e in read_log([path])[0]] == ["object:dog", "object:cat", "object:cow"]


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path):
    """The limit on the size of a file stops a write in its middle, as a full disk does."""
    code = """if True:
        import resource, sys
        from pathlib import Path
        from vocab.log import new_event, open_log
        with open_log(Path(sys.argv[1])) as writer:
            writer.append(new_event("ann", "object:dog", "keep"))
            before = writer.path.read_bytes()
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 50, -1))
            try:
                writer.append(*(new_event("ann", "object:cat", "keep") for _ in range(9)))
            except ValueError as error:
                print(error)
            print(writer.path.read_bytes() == before)
            resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
            writer.append(new_event("ann", "object:cow", "keep"))
    """
    path = log_path(tmp_path, "ann")
    with python(code, path) as process:
        message, same = process.stdout.read().splitlines()
    assert message.startswith(f"{path}: cannot be written (File too large)")
    assert same == "True"
    assert [e.key for e in read_log([path])[0]] == ["object:dog", "object:cow"]


def test_what_is_not_on_the_disk_is_taken_back(tmp_path, monkeypatch):
    with open_log(log_path(tmp_path, "ann")) as writer:
        writer.append(keep())
        before = writer.path.read_bytes()

        def full(descriptor):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(InputError, match=r"\(No space left on device\); make room$"):
            writer.append(keep("cat"))
        assert writer.path.read_bytes() == before


def test_what_is_appended_and_the_name_of_a_new_log_are_flushed_before_it_returns(
    tmp_path, monkeypatch
):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda number: flushed.append(os.fstat(number).st_ino))
    path = log_path(tmp_path, "ann")
    with open_log(path) as writer:
        writer.append(keep())
        assert flushed == [path.stat().st_ino, tmp_path.stat().st_ino]
        writer.append(keep("cat"))
        assert flushed[2:] == [path.stat().st_ino]


def test_a_log_is_no_program_and_leaves_no_file_open(tmp_path):
    with open_log(log_path(tmp_path, "ann")) as writer:
        writer.append(keep())
        before = psutil.Process().num_fds()
        for _ in range(20):
            writer.append(keep())
        assert psutil.Process().num_fds() == before
    for n in range(9):
        with open_log(log_path(tmp_path, f"new{n}")) as writer:
            writer.append(keep(by=f"new{n}"))
    assert psutil.Process().num_fds() < before
    assert log_path(tmp_path, "ann").stat().st_mode & 0o111 == 0


def test_a_time_from_the_far_future_leaves_times_for_later_events(tmp_path):
    path = log_path(tmp_path, "ann")
    path.write_text('{"v":1,"id":"1","ts":253402300799999,"by":"ann","key":"object:dog"}\n')
    open_log(path).close()
    assert keep().ts < 253402300799999 // 2


def test_a_folder_that_is_gone_or_a_log_that_is_a_link_is_one_line(tmp_path):
    with open_log(log_path(tmp_path / "log", "ann")) as writer:
        shutil.rmtree(tmp_path / "log")
        with pytest.raises(InputError, match=r"ann.jsonl: cannot be written \(No such file"):
            writer.append(keep())
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be written \(Not a directory\)|\(File exists\)"):
        open_log(log_path(tmp_path / "file", "ann"))
    (tmp_path / "bob.jsonl").symlink_to(tmp_path / "file")
    with pytest.raises(InputError, match=r"bob.jsonl: is a symbolic link; put the log itself"):
        open_log(log_path(tmp_path, "bob"))
    (tmp_path / "cat.jsonl").mkdir()
    with pytest.raises(InputError, match=r"cat.jsonl: cannot be written \(Is a directory\)"):
        open_log(log_path(tmp_path, "cat"))
    (tmp_path / "cat.jsonl").rmdir()
    open_log(log_path(tmp_path, "cat")).close()  # a refusal leaves no lock behind


def test_time_never_runs_back(tmp_path, monkeypatch):
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now)
    first, second = keep(), keep()
    monkeypatch.setattr(time, "time_ns", lambda: now - 10**12)
    third = keep()
    assert first.ts < second.ts < third.ts
    assert first.id < second.id < third.id


def test_new_events_are_later_than_the_log_even_if_the_clock_went_back(tmp_path, monkeypatch):
    monkeypatch.setattr(log_module, "_clock", log_module._Clock())
    path = log_path(tmp_path, "ann")
    ahead = time.time_ns() // 10**6 + 10**9
    old = keep(act="note", note='a text that looks like "ts":9007199254740991, is none')
    line = format_event(old).replace(f'"ts":{old.ts}', f'"ts":{ahead}')
    path.write_text(line)
    with open_log(path):
        assert keep().ts == ahead + 1


steps = st.lists(st.sampled_from(["keep", "drop", "rename", "undo", "redo"]), max_size=25)


@given(steps)
def test_undo_and_redo_through_the_writer_walk_a_history(tmp_path_factory, steps):
    """The log's state is that of a plain list of states with a cursor."""
    path = log_path(tmp_path_factory.mktemp("log"), "ann")
    history, cursor = [None], 0
    undoable, redoable = [], []
    for step in steps:
        if step in DECIDING:
            event = keep(act=step, to="puppy" if step == "rename" else None)
            undoable, redoable = [*undoable, event], []
            history, cursor = [*history[: cursor + 1], event], cursor + 1
        elif step == "undo" and undoable:
            event = keep(act="undo", to=undoable.pop().id)
            redoable.append(event)
            cursor -= 1
        elif step == "redo" and redoable:
            event = keep(act="undo", to=redoable.pop().id)
            undoable.append(event)
            cursor += 1
        else:
            continue
        with open_log(path) as writer:
            writer.append(event)
    events, problems = read_log([path] if path.exists() else [])
    assert not problems
    assert replay(events).votes.get(("ann", DOG)) == history[cursor]


APPEND_FOR_EVER = """if True:
    import sys
    from pathlib import Path
    from vocab.log import new_event, open_log
    with open_log(Path(sys.argv[1])) as writer:
        while True:
            event = new_event("ann", "object:dog", "keep", note="n" * 300)
            writer.append(event)
            print(event.id, flush=True)
"""


def test_kill_9_loses_no_event_that_was_acknowledged(tmp_path):
    path = log_path(tmp_path, "ann")
    acknowledged = []
    for _ in range(6):
        with python(APPEND_FOR_EVER, path) as process:
            acknowledged.append(process.stdout.readline().strip())
            time.sleep(random.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
            lines = process.stdout.read().split("\n")
        acknowledged += lines[:-1]  # what follows the last line end was not said whole
    events, problems = read_log([path])
    assert len(acknowledged) >= 6
    assert set(acknowledged) - {event.id for event in events} == set()
    assert len(problems) <= 6 and all("not JSON" in problem.reason for problem in problems)


def git(directory, *args):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(
        ["git", "-C", directory, *identity, *args], check=True, capture_output=True, timeout=60
    )


def commit(directory, message):
    git(directory, "add", "-A")
    git(directory, "commit", "-m", message)


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_branches_merged_by_git_give_the_state_of_both_logs(tmp_path, torn):
    """Our .gitattributes; the same annotator on two machines, and a second annotator."""
    shutil.copy(ROOT / ".gitattributes", tmp_path)
    git(tmp_path, "init", "-b", "main")
    logs = tmp_path / "annotations" / "log"
    path = log_path(logs, "ann")
    common = [keep(f"tag{n}") for n in range(20)]
    with open_log(path) as writer:
        writer.append(*common)
    (logs / "ann.lock").unlink()
    commit(tmp_path, "common")
    sides = [_side(n, common) for n in (0, 1)]
    bob = keep(by="bob", act="drop")
    for n, name in enumerate(("left", "right")):
        git(tmp_path, "checkout", "-b", name, "main")
        text = path.read_text() + "".join(map(format_event, sides[n]))
        path.write_text(text[: -40 if torn and n else None])
        if n:
            log_path(logs, "bob").write_text(format_event(bob))
        commit(tmp_path, name)
    git(tmp_path, "merge", "left")
    events, problems = read_log(sorted(logs.glob("*.jsonl")))
    written = [*common, *sides[0], *(sides[1][:-1] if torn else sides[1]), bob]
    assert replay(events) == replay(written)
    assert len(events) == len(written)
    assert len(problems) == int(torn)


def _side(n, common):
    """Decisions anew, undos of common ones, an undo of an undo."""
    undo = keep("tag3", act="undo", to=common[3 + n].id)
    return [
        keep("tag1", act="drop"),
        undo,
        keep("tag3", act="undo", to=undo.id),
        keep("tag9", act="undo", to=common[9].id),
        keep(f"tag{n}", act="rename", to="new"),
        keep("tag2", act="drop" if n else "keep"),
    ]
