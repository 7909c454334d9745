"""What rounding the model costs: code length of real source text, exact against float32.

The exact model has 8-bit weights and integer activations; the judge is transformers in float32 on
the weights of the same GGUF file.  Both read the same tokens, so only the arithmetic differs.
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

from shared.errors import InputError
from shared.exact.pin import cache_home, load_pin, resolve_pin
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
        float32_bits: the same of the judge.
    """

    name: str
    tokens: int
    exact_bits: float
    float32_bits: float


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
    exact = Transformer(pin)
    source = gguf_file()
    judge: Any = AutoModelForCausalLM.from_pretrained(
        str(source.parent), gguf_file=source.name, dtype=torch.float32
    ).eval()
    lengths = []
    for name, text in texts():
        tokens = pin.tokenizer().encode(text, add_special_tokens=False).ids[: TOKENS + 1]
        rows = exact.session().feed_scored(tokens[:-1])
        with torch.inference_mode():
            judged = judge(torch.tensor([tokens[:-1]])).logits[0].double().numpy()
        lengths.append(
            CodeLength(name, len(tokens) - 1, bits(rows, tokens[1:]), bits(judged, tokens[1:]))
        )
    return lengths


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


def excess_percent(lengths: Sequence[CodeLength]) -> float:
    """How much longer the exact model's total code is, in percent; negative if shorter."""
    exact = sum(length.exact_bits for length in lengths)
    return 100.0 * (exact / sum(length.float32_bits for length in lengths) - 1.0)


def main(
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = Path(__file__).parent
    / "QUALITY.md",
) -> None:
    """Measure SmolLM2-135M on Python and C."""
    lengths = code_lengths()
    lines = [
        "# Measured cost of exactness",
        "",
        "Written by `python -m benchmarks.quality` (part of `make bench`); do not edit.",
        "Code length in bits, SmolLM2-135M, exact arithmetic against transformers float32.",
        "",
        "| text | tokens | exact | float32 | excess |",
        "|---|---|---|---|---|",
        *(
            f"| {each.name} | {each.tokens} | {each.exact_bits:.1f} | {each.float32_bits:.1f} | "
            f"{excess_percent([each]):+.3f} % |"
            for each in lengths
        ),
        "",
        f"Total: {excess_percent(lengths):+.3f} %.",
    ]
    out.write_text("\n".join(lines) + "\n", "utf-8")
    typer.echo(out.read_text("utf-8"))


if __name__ == "__main__":
    typer.run(main)
