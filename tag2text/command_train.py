"""``tag2text train``: its flags are the fields of :class:`train.config.TrainConfig`."""

from __future__ import annotations

import inspect
from dataclasses import Field, fields
from typing import Annotated, Any, get_type_hints

import typer

from tag2text.options import needs
from train.config import TrainConfig, flag, train_config

REQUIRED = ("output", "train_data")


def train(**given: Any) -> None:
    """Train a model on labelled shards.

    On several GPUs: torchrun --nproc-per-node 8 -m tag2text.cli train ...
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    lists = {name: tuple(value) for name, value in chosen.items() if isinstance(value, list)}
    config = train_config(**{**chosen, **lists})
    with needs("train"):
        from train.loop import train as run
    made = run(config)
    if made is not None:
        typer.echo(f"{made}: the trained model")


def _parameter(field: Field[Any], hint: Any) -> inspect.Parameter:
    """Return a field as a flag; one that is not given stays ``None``, for the preset to fill in."""
    name, default = flag(field.name), field.default
    help_ = field.metadata["help"]
    if default not in ("", (), False):
        shown = f"{default:g}" if isinstance(default, float) else default
        help_ += f"  [default: {shown}]"  # as Typer writes it, were the default its own
    option = typer.Option(
        f"{name}/--no-{name[2:]}" if hint is bool else name, help=help_, **field.metadata["checks"]
    )
    given = list[str] if hint == tuple[str, ...] else hint
    if field.name in REQUIRED:
        return _named(field.name, inspect.Parameter.empty, Annotated[given, option])
    return _named(field.name, None, Annotated[given | None, option])


def _named(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def _signature() -> inspect.Signature:
    hints = get_type_hints(TrainConfig)
    return inspect.Signature(
        [_parameter(field, hints[field.name]) for field in fields(TrainConfig)]
    )


train.__signature__ = _signature()  # type: ignore[attr-defined]
train.__annotations__ = {
    name: parameter.annotation for name, parameter in _signature().parameters.items()
}
