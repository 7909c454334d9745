"""What rounding the model costs: code length of real source text, exact against float32.

The exact model has 10-bit weights and integer activations.  It is judged by transformers in
float32 twice: on its own weights, where only the arithmetic differs, and on the weights as
published, where the rounding of the weights counts too.  All read the same tokens.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from groundstation.specialise.network import PLACES
from shared.errors import InputError
from shared.exact.arithmetic import dequantised
from shared.exact.pin import Pin, cache_home, load_pin, resolve_pin
from shared.exact.transformer import Transformer

MODULES = ("textwrap.py", "sched.py", "shlex.py", "queue.py")
HEADERS = ("listobject.h", "pymem.h")
TOKENS = 700


@dataclass(frozen=True)
class CodeLength:
    """One text.

    Attributes:
        name: the file's.
        tokens: how many were coded, each after all before it.
        exact_bits: -log2 of the exact model's probabilities, added up.
        same_weights_bits: the same in float32 on the pin's 10-bit weights.
        published_bits: the same in float32 on the weights as published.
    """

    name: str
    tokens: int
    exact_bits: float
    same_weights_bits: float
    published_bits: float


def gguf_file() -> Path:
    """The file that SmolLM2's pin was made from.

    Raises:
        InputError: it is not in the cache.
    """
    folder = cache_home() / "downloads" / "smollm2-135m"
    found = sorted(folder.rglob("*.gguf"))
    if not found:
        raise InputError(
            f"no GGUF file in {folder}", remedy="run `groundstation model fetch smollm2-135m`"
        )
    return found[0]


def texts() -> Iterator[tuple[str, str]]:
    """Python from the standard library, C from the interpreter's headers."""
    paths = sysconfig.get_paths()
    for name in MODULES:
        yield name, (Path(paths["stdlib"]) / name).read_text("utf-8")
    for name in HEADERS:
        header = Path(paths["include"]) / name
        if header.exists():
            yield name, header.read_text("utf-8")


def code_lengths() -> list[CodeLength]:
    """Measures every text; takes about a minute.

    Raises:
        InputError, PinError: the model is not there.
    """
    import torch
    from transformers import AutoModelForCausalLM

    pin = load_pin(resolve_pin("smollm2-135m"))
    source = gguf_file()
    judge: Any = AutoModelForCausalLM.from_pretrained(
        str(source.parent), gguf_file=source.name, dtype=torch.float32
    ).eval()
    coded = [
        (name, pin.tokenizer().encode(text, add_special_tokens=False).ids[: TOKENS + 1])
        for name, text in texts()
    ]

    def judged() -> list[float]:
        with torch.inference_mode():
            return [
                bits(judge(torch.tensor([ids[:-1]])).logits[0].double().numpy(), ids[1:])
                for _, ids in coded
            ]

    published = judged()
    judge.load_state_dict(
        {name: torch.from_numpy(weight) for name, weight in float32_weights(pin)}, strict=False
    )
    same = judged()
    exact = Transformer(pin)
    return [
        CodeLength(name, len(ids) - 1, bits(exact.session().feed_scored(ids[:-1]), ids[1:]), *both)
        for (name, ids), *both in zip(coded, same, published, strict=True)
    ]


def float32_weights(pin: Pin) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The pin's 10-bit matrices under the names that transformers has for them."""

    def whole(name: str) -> NDArray[np.float32]:
        return np.asarray(dequantised(pin.tensors, name), dtype=np.float32)

    embedding = whole("embed")
    yield "model.embed_tokens.weight", embedding
    yield "lm_head.weight", embedding
    for layer in range(int(pin.manifest["shape"]["layers"])):
        for ours, theirs in PLACES.items():
            yield f"model.layers.{layer}.{theirs}.weight", whole(f"layers.{layer}.{ours}")


def bits(logits: NDArray[np.float64], wanted: Sequence[int]) -> float:
    """-log2 of the softmax at the wanted tokens, added up.

    Args:
        logits: float64 [n, vocab].
        wanted: n token ids.
    """
    best = logits.max(axis=1)
    total = best + np.log(np.exp(logits - best[:, None]).sum(axis=1))
    chosen = logits[np.arange(len(wanted)), list(wanted)]
    return float((total - chosen).sum() / np.log(2.0))


def excess_percent(exact: float, judge: float) -> float:
    """How much longer the exact model's code is, in percent; negative if shorter."""
    return 100.0 * (exact / judge - 1.0)


def totals(lengths: Sequence[CodeLength]) -> tuple[float, float]:
    """Excess over float32 in percent, all texts together: on the same weights, as published."""
    exact = sum(length.exact_bits for length in lengths)
    return (
        excess_percent(exact, sum(length.same_weights_bits for length in lengths)),
        excess_percent(exact, sum(length.published_bits for length in lengths)),
    )


def main(
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = Path(__file__).parents[1]
    / "QUALITY.md",
) -> None:
    """Measure SmolLM2-135M on Python and C."""
    lengths = code_lengths()
    lines = [
        "# Measured cost of exactness",
        "",
        "Written by `python -m benchmarks.models.quality` (part of `make bench`); do not edit.",
        "Code length in bits, SmolLM2-135M, exact arithmetic against transformers float32 on the",
        "pin's own 10-bit weights, and on the weights as published.",
        "",
        "| text | tokens | exact | float32, same weights | excess | float32, published | excess |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {each.name} | {each.tokens} | {each.exact_bits:.1f} | "
            f"{each.same_weights_bits:.1f} | "
            f"{excess_percent(each.exact_bits, each.same_weights_bits):+.3f} % | "
            f"{each.published_bits:.1f} | "
            f"{excess_percent(each.exact_bits, each.published_bits):+.3f} % |"
            for each in lengths
        ),
        "",
        "Total: {:+.3f} % on the same weights, {:+.3f} % on the published ones.".format(
            *totals(lengths)
        ),
    ]
    out.write_text("\n".join(lines) + "\n", "utf-8")
    typer.echo(out.read_text("utf-8"))


if __name__ == "__main__":
    typer.run(main)
