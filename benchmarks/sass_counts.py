"""How many machine instructions the CUDA kernels have, and how many of them lie in each loop: what
benchmarks/cuda_floor.py multiplies its counts with.

    python -m benchmarks.sass_counts --nvdisasm NVDISASM [--arch sm_90]

Compiles the kernels with nvcc and reads what nvdisasm prints (the packages nvidia-cuda-nvcc and
nvidia-cuda-nvdisasm have them; neither needs a GPU). A loop is what lies between the target of a
branch backwards and that branch; an instruction counts for the innermost loop around it.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

CUDA = Path(__file__).resolve().parents[1] / "csrc" / "cuda"
FILES = (
    "skin", "project_rig", "project_array", "enter", "blend", "blend_adjoint", "project_adjoint"
)  # fmt: skip
_INSTRUCTION = re.compile(r"^\s*/\*([0-9a-f]+)\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)(.*)")
_LABEL = re.compile(r"^(\.L_x_\d+):")
_TARGET = re.compile(r"`\((\.L_x_\d+)\)")


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop, or the code outside of all loops."""

    first: int
    """Address of its first instruction."""
    last: int
    instructions: int
    """Those of no loop within it."""
    depth: int
    """0: outside of all loops."""
    shared_loads: int
    global_loads: int
    special: int
    """Of MUFU's: powers, roots, reciprocals."""
    shuffles: int
    """Exchanges between lanes and votes."""


def loops(text: str) -> list[Loop]:
    """Of a kernel as nvdisasm prints it: first what is outside of loops, then by address."""
    code: list[tuple[int, str]] = []
    labels: dict[str, int] = {}
    jumps: list[tuple[int, str]] = []
    waiting: list[str] = []
    for line in text.splitlines():
        if label := _LABEL.match(line):
            waiting.append(label[1])
        elif (found := _INSTRUCTION.match(line)) and found[2] != "NOP":
            address = int(found[1], 16)
            labels |= dict.fromkeys(waiting, address)
            waiting.clear()
            code.append((address, found[2]))
            if found[2].startswith("BRA") and (target := _TARGET.search(found[3])):
                jumps.append((address, target[1]))
    # the compiler ends a kernel by a branch to itself, which is no loop
    spans = {(labels[to], at) for at, to in jumps if to in labels and labels[to] < at}
    # what shares its first instruction is one loop with several branches back
    widest = {first: max(last for f, last in spans if f == first) for first, _ in spans}
    everything = (-1, code[-1][0] if code else 0)
    found_loops = [everything, *sorted(widest.items())]
    return [_counted(code, span, found_loops) for span in found_loops]


def _counted(
    code: list[tuple[int, str]], span: tuple[int, int], spans: Iterable[tuple[int, int]]
) -> Loop:
    within = [s for s in spans if s != span and span[0] <= s[0] and s[1] <= span[1]]
    own = [
        name
        for at, name in code
        if span[0] <= at <= span[1] and not any(a <= at <= b for a, b in within)
    ]
    around = sum(a <= span[0] and span[1] <= b for a, b in spans) - 1

    def of(*names: str) -> int:
        return sum(name.startswith(names) for name in own)

    return Loop(
        max(span[0], 0), span[1], len(own), around, of("LDS"), of("LDG", "LD."), of("MUFU"),
        of("SHFL", "VOTE", "REDUX"),
    )  # fmt: skip


def kernels(text: str) -> dict[str, str]:
    """nvdisasm's text by kernel; one for 32-bit keys where there are two."""
    out = {}
    for part in re.split(r"^//-+ (?=\.text\.)", text, flags=re.MULTILINE)[1:]:
        symbol = part.split()[0]
        name = re.search(r"\d([a-z_]+_kernel)(I[jm])?E", symbol)
        if name and name[2] != "Im":
            out[name[1]] = part
    return out


def disassembled(file: str, nvcc: str, nvdisasm: str, arch: str) -> str:
    """A file of csrc/cuda as machine code in words."""
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder) / f"{file}.cubin"
        subprocess.run(
            [nvcc, "-std=c++20", "-O3", "-lineinfo", f"-arch={arch}", f"-I{CUDA.parent}", "-cubin",
             "-o", str(cubin), str(CUDA / f"{file}.cu")],
            check=True,
        )  # fmt: skip
        return subprocess.run([nvdisasm, "-c", str(cubin)], check=True, capture_output=True,
                              text=True).stdout  # fmt: skip


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nvcc", default="nvcc")
    parser.add_argument("--nvdisasm", default="nvdisasm")
    parser.add_argument("--arch", default="sm_90")
    args = parser.parse_args()
    report = {
        kernel: [asdict(loop) for loop in loops(text)]
        for file in FILES
        for kernel, text in kernels(
            disassembled(file, args.nvcc, args.nvdisasm, args.arch)
        ).items()
    }  # fmt: skip
    print(json.dumps({"arch": args.arch, "kernels": report}, indent=1))


if __name__ == "__main__":
    main()
