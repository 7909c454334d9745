"""From a family to a generator's file: pictures, training, previews, integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundstation.media.family import Family, Member
from groundstation.media.images import encode_picture
from groundstation.media.learn.diffusion.export import exported
from groundstation.media.learn.diffusion.pictures import read_scaled
from groundstation.media.learn.diffusion.plan import Plan
from groundstation.media.learn.diffusion.train import Progress, train
from shared.files import replace_file
from shared.media.generator import write_generator
from shared.media.prompt import Prompt
from shared.media.render import Renderer
from shared.terminal import Report


@dataclass(frozen=True, eq=False)
class Learned:
    """A generator and how far its training came.

    Attributes:
        data: its file.
        progress: updates done, and the loss.
    """

    data: bytes
    progress: Progress


def learn(
    family: Family,
    members: Sequence[Member],
    plan: Plan,
    work: Path,
    notes: Mapping[str, str],
    report: Report,
    *,
    minutes: float | None = None,
    threads: int = 1,
) -> Learned:
    """Learns a family; a run that was stopped goes on.

    Args:
        family: what its pictures are called.
        members: those to learn from.
        plan: how.
        work: folder of the checkpoint and of previews; made if need be.
        notes: what users of the generator should read: licence, source.
        report: told about progress.
        minutes: the longest that is trained now.
        threads: of torch; one gives the same weights every time.

    Raises:
        InputError: the pictures do not fit, or the folder has another run.
        PinError: a package is missing.
    """
    pictures = read_scaled(members, plan, report)
    size = (pictures.shape[2], pictures.shape[1])
    choices = family.choices(members)
    first = Prompt(tuple(choices[0]), (), (0,) * (plan.steps - 1))

    def preview(network: Any, updates: int) -> None:
        generator = exported(network, plan, size, family.name, family.attributes, notes)
        path = work / "previews" / f"{updates:06}-{members[0].name}.png"
        path.parent.mkdir(exist_ok=True)
        replace_file(path, encode_picture(Renderer(generator)(first), "PNG"), durable=False)

    network, progress = train(
        *(plan, pictures, choices, [len(a.values) for a in family.attributes], work, report),
        minutes=minutes,
        threads=threads,
        preview=preview,
    )
    generator = exported(network, plan, size, family.name, family.attributes, notes)
    return Learned(write_generator(generator), progress)
