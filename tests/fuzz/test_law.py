"""Every reader of outside input: some dozens of cases each, the same in every run.

``python -m benchmarks.fuzz`` runs the same targets for minutes.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.law import judge
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_whole_inputs_are_read(name: str) -> None:
    for seed in TARGETS[name].seeds:
        assert judge(TARGETS[name], seed) == ""


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.found])
def test_what_broke_the_law_before_keeps_it(name: str) -> None:
    for case in TARGETS[name].found:
        judge(TARGETS[name], case)


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_the_law(name: str) -> None:
    target = TARGETS[name]

    @settings(
        max_examples=target.quick,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(target.cases)
    def law(case: object) -> None:
        judge(target, case)

    law()
