"""Teaches the video driver's regressor, and writes it and the mean face to where they ship.

    python -m trainer.train_regressor [--people 200] [--samples FILE.npz]

Pictures of made-up people (trainer.face_samples) give MediaPipe's points beside the truth; small
nets learn the truth from how the points differ from the same person's at rest. Takes some ten
minutes on two cores, nearly all of it for the pictures; the same seed gives the same pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from scipy.optimize import linear_sum_assignment

from avatar_rt.arkit import ARKIT_MIRROR, ARKIT_NAMES
from avatar_rt.arrays import F32, F64, I32, Array, Bool, floats32, floats64, ints32
from avatar_rt.face.engines import mediapipe
from avatar_rt.face.expression import (
    CORRECTION_SCALE,
    EYES,
    GAZE_SCALE,
    REGIONS,
    TURN_SCALE,
    local_features,
)
from avatar_rt.face.standard import mean_face, standardised
from avatar_rt.files import replacing
from avatar_rt.head import HeadModel, load_builtin
from avatar_rt.rotation import euler_from_matrix
from trainer.face_samples import SIZE, samples

NAMES = tuple(n for n in ARKIT_NAMES if not n.startswith("eyeLook") and n != "tongueOut")
COMPONENTS = {
    "mouth": 30, "jaw": 8, "left_eye": 14, "right_eye": 14, "left_brow": 10, "right_brow": 10,
    "nose": 10,
}  # fmt: skip
"""How many principal components of each region's features the net sees."""
_WEAKEST = 0.05
"""Components are scaled to unit variance, but none more than 1/this times the strongest's scale."""
_HIDDEN = 96
NETS = 4
"""Taught alike from other beginnings: their mean is steadier than any of them."""
FROM_ANY = 0.4
"""Share of the pictures shown once more with another picture of the person for rest."""
LINEAR = (0, 3, 5)
"""The layers of a net that have weights."""
_HELD_OUT = 10
"""Every tenth person is kept for checking."""


@dataclass(frozen=True)
class Table:
    """Features and truth of N pictures."""

    person: I32
    """(N,)."""
    neutral: Bool
    """(N,)."""
    features: F32
    """(N, D), see local_features."""
    turn: F64
    """(N, 3) yaw, pitch, roll that the points alone suggest."""
    arkit: F32
    """(N, 52)."""
    gaze: F32
    """(N, 2)."""
    correction: F64
    """(N, 3): true turn less suggested."""


def regions() -> tuple[dict[str, I32], dict[str, I32]]:
    """Per region, which points are looked at and from which they are measured."""
    mediapipe()
    from mediapipe.python.solutions import face_mesh_connections as mesh  # noqa: PLC0415

    def ring(pairs: frozenset[tuple[int, int]]) -> list[int]:
        return sorted({k for pair in pairs for k in pair})

    lips = ring(mesh.FACEMESH_LIPS)
    x, y, z = mean_face().T
    bottom, corner = y[lips].min(), np.abs(x[lips]).max()
    around = (np.abs(x) < corner + 0.018) & (y > bottom) & (y < y[2]) & (z > z[lips].min() - 0.012)
    chin = (np.abs(x) < 0.8 * corner) & (y <= bottom) & (z > z[152] - 0.004)
    mouth = sorted({*lips, *np.flatnonzero(around).tolist(), *np.flatnonzero(chin).tolist()})
    points = {
        "mouth": mouth,
        "jaw": [*np.flatnonzero(chin).tolist(), 17, 14],
        "left_eye": [*ring(mesh.FACEMESH_LEFT_EYE), *range(473, 478)],
        "right_eye": [*ring(mesh.FACEMESH_RIGHT_EYE), *range(468, 473)],
        "left_brow": ring(mesh.FACEMESH_LEFT_EYEBROW),
        "right_brow": ring(mesh.FACEMESH_RIGHT_EYEBROW),
        "nose": [98, 327, 64, 294, 102, 331, 49, 279, 48, 278, 129, 358, 203, 423],
    }
    anchors = {
        "mouth": [2, 1, 4, 5, 98, 327, 97, 326, 64, 294],
        "jaw": [168, 6, 197],
        "left_eye": [263, 362],
        "right_eye": [133, 33],
        "left_brow": [263, 362],
        "right_brow": [33, 133],
        "nose": [2, 1, 4, 5],
    }
    return {r: ints32(points[r]) for r in REGIONS}, {r: ints32(anchors[r]) for r in REGIONS}


def mirror_points() -> I32:
    """(478,): the landmark on the other side of each, by its place on the mean face."""
    mean = mean_face()
    cost = ((mean[None] - mean[:, None] * [-1.0, 1.0, 1.0]) ** 2).sum(2)
    return ints32(linear_sum_assignment(cost)[1])


def make_samples(head: HeadModel, people: int, each: int, seed: int) -> dict[str, Array]:
    """Columns of the pictures' points and truth."""
    made = list(track(samples(head, people, each, seed), "pictures", total=people * (each + 4)))
    names = [f.name for f in fields(made[0])]
    return {name: np.array([getattr(s, name) for s in made]) for name in names}


def tabled(columns: dict[str, Array], mirrored: bool) -> Table:
    """The pictures as they are, or as a mirror would show them."""
    chosen, anchors = regions()
    mean, swap = mean_face(), mirror_points()
    features, turns = [], []
    for points, focal in zip(columns["points"], columns["focal"], strict=True):
        face = standardised(points, SIZE, SIZE, float(focal))
        place = face.residual + mean
        if mirrored:
            place = floats32(place[swap] * [-1.0, 1.0, 1.0])
        features.append(local_features(place, chosen, anchors))
        turns.append(euler_from_matrix(face.rotation))
    turn = floats64(turns)
    truth = floats64([euler_from_matrix(r) for r in columns["rotation"]])
    flip = np.array([-1.0, 1.0, -1.0]) if mirrored else np.ones(3)
    arkit = columns["arkit"][:, list(ARKIT_MIRROR)] if mirrored else columns["arkit"]
    return Table(
        ints32(columns["person"]), columns["neutral"].astype(bool), floats32(features),
        turn * flip, floats32(arkit), floats32(columns["gaze"] * flip[[0, 1]]),
        (truth - turn) * flip,
    )  # fmt: skip


def from_rest(table: Table) -> tuple[F64, Bool]:
    """(N, D) features less those of the same person at rest, and (N,) whether there are any."""
    rest = np.full(table.features.shape, np.nan)
    for person in np.unique(table.person):
        own = table.person == person
        if (own & table.neutral).any():
            rest[own] = table.features[own & table.neutral].mean(0)
    return table.features - rest, ~np.isnan(rest[:, 0])


def from_any(table: Table, seed: int) -> tuple[F64, F32]:
    """(N, D) features less those of another picture of the same person, and (N, O) the targets less
    that picture's: so the net knows what to say of someone who was not at rest when learned."""
    rng = np.random.default_rng(seed)
    other = np.arange(len(table.person))
    for person in np.unique(table.person):
        own = np.flatnonzero(table.person == person)
        other[own] = rng.permutation(own)
    y = targets(table)
    said = len(NAMES) + 2
    y[:, :said] -= y[other, :said]
    return floats64(table.features - table.features[other]), y


def principal(x: F64) -> tuple[F64, F64]:
    """(D,) centre and (D, P) projection onto each region's principal components."""
    chosen, _ = regions()
    centre, blocks, start = x.mean(0), [], 0
    for region in REGIONS:
        axes_each = 2 if region in EYES else 3
        size, count = axes_each * len(chosen[region]), COMPONENTS[region]
        part = x[:, start : start + size] - centre[start : start + size]
        _, s, axes = np.linalg.svd(part, full_matrices=False)
        scale = s[:count] / np.sqrt(len(x))
        blocks.append(axes[:count].T / np.maximum(scale, _WEAKEST * scale[0]))
        start += size
    projection = np.zeros((start, sum(COMPONENTS.values())))
    row = column = 0
    for block in blocks:
        projection[row : row + block.shape[0], column : column + block.shape[1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    return floats64(centre), floats64(projection)


def targets(table: Table) -> F32:
    """(N, 43 + 5) float32: what the net is to say."""
    columns = [ARKIT_NAMES.index(name) for name in NAMES]
    parts = [table.arkit[:, columns], GAZE_SCALE * table.gaze, CORRECTION_SCALE * table.correction]
    return floats32(np.concatenate(parts, axis=1))


def teach(x: F32, y: F32, seed: int, epochs: int = 60) -> torch.nn.Sequential:
    """The net that says y (N, O) when shown x (N, I)."""
    torch.manual_seed(seed)
    net = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], _HIDDEN), torch.nn.SiLU(), torch.nn.Dropout(0.1),
        torch.nn.Linear(_HIDDEN, _HIDDEN), torch.nn.SiLU(), torch.nn.Linear(_HIDDEN, y.shape[1]),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=3e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    inputs, truth = torch.from_numpy(x), torch.from_numpy(y)
    for _ in track(range(epochs), "epochs"):
        for batch in torch.split(torch.randperm(len(inputs)), 128):
            seen = inputs[batch] + 0.2 * torch.randn_like(inputs[batch])
            loss = torch.nn.functional.mse_loss(net(seen), truth[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        schedule.step()
    return net.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description="teach the video driver's regressor")
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--each", type=int, default=22, help="pictures of each, neutrals apart")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=Path, nargs="*", help="pictures made earlier, to read")
    parser.add_argument("--keep", type=Path, help="where to keep the pictures' points")
    arguments = parser.parse_args()
    with resources.as_file(resources.files("avatar_rt.face").joinpath("data")) as folder:
        head = load_builtin()
        write(folder / "mean_face.npz", {"points": mean_points(head)})
        mean_face.cache_clear()
        if arguments.samples:
            read = [dict(np.load(path)) for path in arguments.samples]
            for k, columns in enumerate(read):
                columns["person"] = columns["person"] + 10_000 * k
            columns = {name: np.concatenate([c[name] for c in read]) for name in read[0]}
        else:
            columns = make_samples(head, arguments.people, arguments.each, arguments.seed)
        if arguments.keep:
            write(arguments.keep, columns)
        write(folder / "regressor.npz", learned(columns, arguments.seed))


def mean_points(head: HeadModel) -> F32:
    """(478, 3) float32: MediaPipe's points on the mean of the built-in heads."""
    corners = head.template.vertices[head.template.faces[head.landmark_faces]]
    return floats32((corners * head.landmark_barycentric[..., None]).sum(1))


def learned(columns: dict[str, Array], seed: int) -> dict[str, Array]:
    """The arrays of the regressor's file; prints how well it does on people it has not seen."""
    tables = [tabled(columns, mirrored) for mirrored in (False, True)]
    differences = [from_rest(table) for table in tables]
    held_out = tables[0].person % _HELD_OUT == 0
    train = ~held_out & differences[0][1]
    centre, projection = principal(np.concatenate([d[train] for d, _ in differences]))

    def inputs(table: Table, difference: F64) -> F32:
        return floats32(
            np.concatenate([(difference - centre) @ projection, TURN_SCALE * table.turn], axis=1)
        )

    shown = [inputs(t, d) for t, (d, _) in zip(tables, differences, strict=True)]
    wanted = [targets(t) for t in tables]
    for k, table in enumerate(tables):
        difference, y = from_any(table, seed + k)
        some = train & (np.random.default_rng(seed).random(len(train)) < FROM_ANY)
        shown.append(inputs(table, difference)[some])
        wanted.append(y[some])
    x, y = (
        np.concatenate([*(rows[train] for rows in both[:2]), *both[2:]]) for both in (shown, wanted)
    )
    nets = [teach(x, y, seed + k) for k in range(NETS)]
    check = held_out & differences[0][1]
    with torch.no_grad():
        said = [net(torch.from_numpy(shown[0][check])).numpy() for net in nets]
    report(floats32(np.mean(said, axis=0)), wanted[0][check])
    chosen, anchors = regions()
    layers = [list(zip(*[net[k].parameters() for net in nets], strict=True)) for k in LINEAR]
    half = np.float16
    return {
        **{f"points_{r}": chosen[r] for r in REGIONS},
        **{f"anchors_{r}": anchors[r] for r in REGIONS},
        "centre": centre.astype(np.float32),
        "projection": projection.astype(half),
        **{f"matrix{k}": np.stack([w.detach().numpy().T for w in weights]).astype(half)
           for k, (weights, _) in enumerate(layers)},
        **{f"offset{k}": np.stack([b.detach().numpy()[None] for b in biases])
           for k, (_, biases) in enumerate(layers)},
        "names": np.array(NAMES),
    }  # fmt: skip


def report(said: F32, truth: F32) -> None:
    """Prints correlations of the weights and gaze, and the turn's error before and after."""
    count = len(NAMES)
    for k, name in enumerate((*NAMES, "gaze yaw", "gaze pitch")):
        print(f"{name:22s} correlation {np.corrcoef(said[:, k], truth[:, k])[0, 1]:5.2f}")
    after = np.degrees(np.abs(said - truth)[:, count + 2 :] / CORRECTION_SCALE).mean(0)
    before = np.degrees(np.abs(truth)[:, count + 2 :] / CORRECTION_SCALE).mean(0)
    for name, b, a in zip(("yaw", "pitch", "roll"), before, after, strict=True):
        print(f"{name:22s} mean error {b:4.1f}° from the points alone, {a:4.1f}° corrected")


def write(path: Path, arrays: Mapping[str, Array]) -> None:
    """A compressed .npz in one step."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


if __name__ == "__main__":
    main()
