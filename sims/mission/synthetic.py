"""Messages of a wanted size, for sweeps where only the size counts.

They are real: a baseline of one small file, a new file of random bytes sent as it is, and a recipe
that the probe follows to the end.  No model is needed to write or to read them, so the pin on board
is a folder with a manifest alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.diff import unified_diff
from shared.digest import sha256
from shared.errors import InputError, PinError
from shared.files import make_folder, replace_file
from shared.message.envelope import Limits
from shared.message.recipe import PATCH_DIGEST_BYTES, Recipe
from shared.prompts.changeset import Codec, FilePlan, transcribe
from shared.prompts.context.transcripts import Desk
from shared.prompts.language_model.model import LanguageModel
from shared.prompts.settings import Settings
from shared.seeds.coins import SeedSource
from shared.seeds.decisions import DecisionWriter
from shared.tree import ChangeKind, Entry, Mode, Tree
from sims.mission.authentication import DEFAULT, Origin
from sims.mission.payload import Cargo, own_cargo, signed
from sims.random_streams import Streams

BASE = Tree({"onboard.conf": Entry(Mode.REGULAR, b"heater = 17\nrate = 160\n")})
MANIFEST = b'{"note": "no model: messages of a wanted size need none"}\n'
PIN = sha256(MANIFEST)
PATH = "update.bin"


@dataclass
class _Blob:
    """The one blob of the recipe in the making."""

    data: bytes

    def left(self) -> int:
        return len(self.data)

    def take(self, size: int, wanted: bytes | None) -> bytes:  # noqa: ARG002
        return self.data[:size]


def write_manifest(folder: Path) -> None:
    """What stands on board for a model."""
    make_folder(folder)
    replace_file(folder / "manifest.json", MANIFEST, durable=False)


def sized_cargo(envelope_bytes: int, origin: Origin = DEFAULT) -> tuple[Tree, Cargo]:
    """A baseline, and a message whose envelope has exactly so many bytes when signed by Ed25519.

    Args:
        envelope_bytes: with Ed25519; other profiles make the same message shorter.
        origin: how it is authenticated.

    Raises:
        InputError: no message has that size.
    """
    least = len(signed(_recipe(b"\x01")[0])[0])
    most = Limits().max_envelope_bytes
    if not least <= envelope_bytes <= most:
        raise InputError(
            f"an envelope of {envelope_bytes} bytes",
            expected=f"{least} to {most}",
            remedy="the signature alone takes 64; name a larger size",
        )
    size = envelope_bytes - least + 1
    while True:
        recipe, patch = _recipe(_content(size))
        found = len(signed(recipe)[0])
        if found == envelope_bytes:
            return BASE, own_cargo(recipe, patch, origin)
        if found < envelope_bytes:
            raise InputError(
                f"no envelope has {envelope_bytes} bytes: a byte more of content takes two",
                expected=f"{found}, for example",
                remedy="name a size one larger or smaller",
            )
        size -= 1


def _content(size: int) -> bytes:
    numbers = Streams(0).stream("sized/content").uniforms(size)
    return (numbers * 256).astype("uint8").tobytes()


def _recipe(content: bytes) -> tuple[Recipe, bytes]:
    """A recipe that adds a file of these bytes, and the patch that comes of it."""
    entry = Entry(Mode.REGULAR, content)
    target = BASE.replace({PATH: entry})
    plan = FilePlan(ChangeKind.ADD, PATH, None, entry, Codec.STORED, blob=content)
    writer = DecisionWriter(SeedSource.CODED)
    transcribe(
        writer,
        BASE,
        lambda settings: Desk(_no_model, settings, lambda _: None),
        _Blob(content),
        [plan],
        Settings(),
        lambda _: None,
    )
    patch = unified_diff(BASE, target)
    recipe = Recipe(
        pin=PIN,
        baseline=BASE.digest,
        patch_digest=sha256(patch)[:PATCH_DIGEST_BYTES],
        seed_source=SeedSource.CODED,
        stream=writer.finish(),
        blobs=content,
    )
    return recipe, patch


def _no_model() -> LanguageModel:
    raise PinError("a message without model text wants a model", remedy="report this defect")
