"""img2dataset's own options: which are passed through, and where the others have gone.

Every parameter of its ``download`` is in exactly one of the three tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from vocab.errors import InputError

Check = Callable[[Any], bool]


def _one_of(*allowed: Any) -> Check:
    def check(value: Any) -> bool:
        return any(type(value) is type(one) and value == one for one in allowed)

    return check


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


_FLAG: Final = _one_of(True, False)
_INTERPOLATION: Final = _one_of(
    *("nearest", "linear", "bilinear", "cubic", "bicubic", "area", "lanczos", "lanczos4")
)
RESIZER: Final[Mapping[str, Check]] = {
    "resize_only_if_bigger": _FLAG,
    "upscale_interpolation": _INTERPOLATION,
    "downscale_interpolation": _INTERPOLATION,
    "encode_format": _one_of("jpg", "png", "webp"),
    "skip_reencode": _FLAG,
    "disable_all_reencoding": _FLAG,
    "max_image_area": _positive,
}
"""What its resizer knows beyond our flags, and which values."""

COLUMNS: Final[Mapping[str, Check]] = {
    "extract_exif": _FLAG,
    "compute_hash": _one_of("md5", "sha256", "sha512"),
}
"""What adds a column to the table: ``exif``, and the digest beside ``sha256``, always there."""

ELSEWHERE: Final[Mapping[str, str]] = {
    "url_list": "give --manifest",
    "output_folder": "give --output",
    "image_size": "give --image-size",
    "resize_mode": "give --resize-mode",
    "min_image_size": "give --min-image-size",
    "max_aspect_ratio": "give --max-aspect-ratio",
    "encode_quality": "give --quality",
    "processes_count": "give --workers",
    "thread_count": "give --threads",
    "timeout": "give --timeout",
    "retries": "give --retries",
    "user_agent_token": "give --user-agent",
    "disallowed_header_directives": "give --ignore-opt-out",
    "number_sample_per_shard": "give --shard-rows to `tag2text manifest`",
    "input_format": "`tag2text manifest` reads the files",
    "url_col": "`tag2text manifest` reads the files",
    "caption_col": "`tag2text manifest` reads the files",
    "save_additional_columns": "a manifest has none",
    "bbox_col": "a manifest has no boxes",
    "verify_hash": "a manifest has no digests",
    "output_format": "`tag2text shards` reads WebDataset",
    "oom_shard_count": "shards have five digits in every stage",
    "distributor": "Apache Beam is; its flags stand after --",
    "subjob_size": "Apache Beam schedules",
    "max_shard_retry": "run the same command again",
    "incremental_mode": "run the same command again, or with --retry-failed",
    "enable_wandb": "the report is download_report.html",
    "wandb_project": "the report is download_report.html",
}
"""What is another flag here, or makes no sense, and why."""


def check_options(options: Sequence[tuple[str, Any]]) -> None:
    """Look at ``--option`` before any work is done.

    Raises:
        InputError: an option is unknown, not one of these, or has a value it cannot have.
    """
    known = {**RESIZER, **COLUMNS}
    for name, value in options:
        if name in ELSEWHERE:
            raise InputError(f"--option {name}: not passed through; {ELSEWHERE[name]}")
        if name not in known:
            raise InputError(f"--option {name}: img2dataset's are {', '.join(known)}")
        if not known[name](value):
            raise InputError(f"--option {name}={value}: not a value that img2dataset takes")
