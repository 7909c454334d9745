"""The honest message: authored once each way by the real command, then signed under any counter."""

from __future__ import annotations

import random
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.edge.stack import catalogue, family
from groundstation.signing.keys import load_private_key
from shared.auth.keys import IntervalKey, SigningKey, key_id, to_pem
from shared.auth.schedule import Schedule
from shared.auth.tesla import Chain, Disclosure, encode_disclosure, make_chain
from shared.exact.pin import load_pin, resolve_pin
from shared.media.message import prompt_recipe
from shared.message.envelope import parse_envelope, sign
from shared.message.recipe import Recipe
from shared.message.wire import Message, encode_message
from shared.tree import read_tree

NAME = "calibration.bin"
"""The file that honest messages change."""
FILES, FILE_BYTES, TABLE_BYTES = 40, 4096, 96


@dataclass(frozen=True, eq=False)
class Cargo:
    """What the ground has.

    Attributes:
        key: that signs.
        stranger: a key that nobody trusts.
        chain: of keys that are disclosed a second after their interval has begun.
        trust: files for ``probe init``: of the key, and of the chain.
        model: the pin's folder or name.
        tree: the folder to start from.
        states: what the changed file holds, before and after; then it changes back.
        recipes: from each state to the other.
        generator: a file that draws pictures.
        picture: the recipe of one.
    """

    key: Ed25519PrivateKey
    stranger: Ed25519PrivateKey
    chain: Chain
    trust: dict[str, Path]
    model: str
    tree: Path
    states: tuple[bytes, bytes]
    recipes: tuple[Recipe, Recipe]
    generator: Path
    picture: Recipe

    def envelope(self, state: int, counter: int, key: SigningKey | None = None) -> bytes:
        """The message that changes a tree from one state to the other."""
        recipe = self.recipes[state]
        message = encode_message(recipe, counter)
        return sign(message, recipe.pin, recipe.baseline, key or self.key)

    def forged(self, recipe: Recipe, counter: int) -> bytes:
        """A message that names the key and is signed by somebody else."""
        data = sign(encode_message(recipe, counter), recipe.pin, recipe.baseline, self.stranger)
        return bytes([key_id(self.key.public_key())]) + data[1:]

    def interval(self) -> int:
        """Of the chain, now."""
        return self.chain.commitment.schedule.interval_at(int(time.time() * 1000))

    def interval_key(self, interval: int) -> IntervalKey:
        """What signs in it."""
        return IntervalKey(self.chain.commitment, self.chain.key(interval), interval)

    def disclosure(self, interval: int) -> bytes:
        """Its key made public."""
        number = key_id(self.chain.commitment)
        return encode_disclosure(Disclosure(number, self.chain.key(interval)))


def prepare(folder: Path, model: str) -> Cargo:
    """Make keys, trees and messages."""
    choose = random.Random(17)
    before, after = trees = folder / "before", folder / "after"
    states = choose.randbytes(TABLE_BYTES), choose.randbytes(TABLE_BYTES)
    others = {f"lib/part{n:02}.bin": choose.randbytes(FILE_BYTES) for n in range(FILES)}
    for tree, state in zip(trees, states, strict=True):
        (tree / "lib").mkdir(parents=True)
        for name, data in {**others, NAME: state}.items():
            (tree / name).write_bytes(data)
    run("groundstation", "keygen", "--out", str(folder / "keys"))
    key = load_private_key(folder / "keys" / "ground.key")
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("keygen makes an Ed25519 key by default")
    start_ms = int(time.time() * 1000) - 500
    schedule = Schedule(
        intervals=20_000,
        start_ms=start_ms,
        interval_ms=500,
        delay=2,
        clock_error_ms=100,
        light_min_ms=0,
        light_max_ms=300,
    )
    chain = make_chain(schedule, secrets.token_bytes(8), secrets.token_bytes(16))
    trust = {"key": folder / "keys" / "ground.pub", "chain": folder / "chain.pub"}
    trust["chain"].write_bytes(to_pem(chain.commitment))
    pictures = catalogue(family(256, 6), 1)
    (folder / "jars.gen").write_bytes(pictures.file)
    prompt = next(iter(pictures.prompts.values()))
    picture = prompt_recipe(pictures.loaded, prompt, pictures.renderer(prompt))
    return Cargo(
        key,
        Ed25519PrivateKey.generate(),
        chain,
        trust,
        model,
        trees[0],
        states,
        (
            _recipe(folder / "there", before, after, model, folder),
            _recipe(folder / "back", after, before, model, folder),
        ),
        folder / "jars.gen",
        picture,
    )


def _recipe(out: Path, base: Path, target: Path, model: str, folder: Path) -> Recipe:
    words = ["--base", str(base), "--target", str(target), "--model", model, "--trials", "1"]
    key = str(folder / "keys" / "ground.key")
    run("groundstation", "author", *words, "--key", key, "--out", str(out), "--no-history")
    message = parse_envelope(out.read_bytes()).message
    pin = load_pin(resolve_pin(model), verify=False).digest
    return _anew(message, pin, read_tree(base).digest)


def _anew(message: Message, pin: bytes, baseline: bytes) -> Recipe:
    """A message's recipe, with the digests that do not travel."""
    return Recipe(
        pin=pin,
        baseline=baseline,
        patch_digest=message.patch_digest,
        seed_source=message.seed_source,
        stream=message.stream,
        seed=message.seed,
        blobs=message.blobs,
    )


def run(module: str, *words: str) -> None:
    """Run one of the commands to its end.

    Raises:
        subprocess.CalledProcessError: it has failed.
    """
    command = [sys.executable, "-c", f"from {module}.cli import app; app()", *words]
    subprocess.run(command, check=True, capture_output=True)
