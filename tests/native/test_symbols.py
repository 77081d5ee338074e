"""Code for one instruction set must not be reachable by any other name than its own."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from avatar_rt import _core


def test_instruction_sets_keep_to_their_namespaces() -> None:
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("binutils' nm is not installed")
    table = subprocess.run(
        [nm, "-C", str(_core.__file__)], capture_output=True, text=True, check=True
    ).stdout
    if "avatar_rt::" not in table:
        pytest.skip("this build of the core is stripped")
    for isa in _core.available_isas():
        mine = [line for line in table.splitlines() if f"avatar_rt::{isa}::" in line]
        assert any("::blend(" in line for line in mine), isa
        # weak or unique symbols are merged across objects: link order would choose the processor
        merged = [line for line in mine if re.search(r"^\S+ [VWuvw] ", line)]
        assert not merged
        for line in mine:
            others = set(re.findall(r"avatar_rt::(baseline|avx2|avx512)::", line)) - {isa}
            assert not others, line
