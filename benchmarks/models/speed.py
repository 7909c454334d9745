"""Speed against float32 and llama.cpp, in one run: prefill and decode, alternating, as ratios.

The machine's own speed drifts, so every round measures all engines one after another and the report
gives the median of the ratios of a round, never a ratio of times taken apart.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from benchmarks.models.quality import gguf_file
from shared.exact.pin import load_pin, resolve_pin
from shared.exact.transformer import Transformer
from shared.seeds.philox import word
from shared.terminal import progress

HERE = Path(__file__).parents[1]
SPEED = HERE / "SPEED.md"
PROMPT_TOKENS = 1024
DECODED_TOKENS = 32
THREADS = 2

Engine = Callable[[Sequence[int], int], tuple[float, float]]
"""(prompt, tokens to decode) -> seconds to read the prompt, seconds to decode."""


@dataclass(frozen=True)
class Timing:
    """One engine in one round, tokens per second."""

    engine: str
    prefill: float
    decode: float


def prompt(size: int, vocabulary: int) -> list[int]:
    """Token ids without special ones, the same in every run."""
    return [100 + word(2026, k) % (vocabulary - 200) for k in range(size)]


def exact(kernel: str) -> Engine:
    """This project's model."""
    transformer = Transformer(load_pin(resolve_pin("smollm2-135m")), kernel=kernel, threads=THREADS)

    def run(tokens: Sequence[int], decoded: int) -> tuple[float, float]:
        session = transformer.session()
        started = time.perf_counter()
        session.feed(tokens)
        session.logits()
        read = time.perf_counter()
        for _ in range(decoded):
            session.feed([int(session.logits().argmax())])
        session.logits()
        return read - started, time.perf_counter() - read

    return run


def float32() -> Engine:
    """transformers on torch, float32, the same weights before rounding."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(THREADS)
    gguf = gguf_file()
    model: Any = AutoModelForCausalLM.from_pretrained(
        str(gguf.parent), gguf_file=gguf.name, dtype=torch.float32
    ).eval()

    def run(tokens: Sequence[int], decoded: int) -> tuple[float, float]:
        with torch.inference_mode():
            started = time.perf_counter()
            out = model(torch.tensor([list(tokens)]), use_cache=True, logits_to_keep=1)
            read = time.perf_counter()
            for _ in range(decoded):
                token = out.logits[:, -1].argmax(-1, keepdim=True)
                out = model(token, past_key_values=out.past_key_values, use_cache=True)
            return read - started, time.perf_counter() - read

    return run


def llama_cpp() -> Engine:
    """llama-cpp-python on the same GGUF file."""
    import llama_cpp

    # as built from source here, 0.3.36 crashes in AMX code; this leaves those buffers out
    defaults = llama_cpp.llama_cpp.llama_model_default_params

    def without_extra_buffers() -> Any:
        parameters = defaults()
        parameters.use_extra_bufts = False
        return parameters

    llama_cpp.llama_cpp.llama_model_default_params = without_extra_buffers
    model: Any = llama_cpp.Llama(
        str(gguf_file()), n_ctx=2048, n_threads=THREADS, n_threads_batch=THREADS, verbose=False
    )

    def run(tokens: Sequence[int], decoded: int) -> tuple[float, float]:
        model.reset()
        started = time.perf_counter()
        model.eval(list(tokens))
        read = time.perf_counter()
        for _ in range(decoded):
            model.eval([model.sample(temp=0.0)])
        return read - started, time.perf_counter() - read

    return run


ENGINES: dict[str, Callable[[], Engine]] = {
    "exact, C kernel": lambda: exact("c"),
    "exact, numpy": lambda: exact("numpy"),
    "transformers float32": float32,
    "llama-cpp-python Q4_1": llama_cpp,
}


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the median counts.")] = 5,
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = SPEED,
) -> None:
    """Measure SmolLM2-135M on two threads: 1,024 tokens read, then 32 decoded."""
    engines: dict[str, Engine] = {}
    missing: dict[str, str] = {}
    for name, build in ENGINES.items():
        try:
            engines[name] = build()
        except ImportError as error:
            missing[name] = str(error)
    tokens = prompt(PROMPT_TOKENS, 49152)
    timings: list[list[Timing]] = []
    with progress() as report:
        for turn in range(rounds + 1):
            report("rounds", turn, rounds + 1)
            timings.append([_time(name, engine, tokens) for name, engine in engines.items()])
            gc.collect()
    out.write_text("\n".join(_lines(timings[1:], missing)) + "\n", "utf-8")  # the first warms up
    typer.echo(out.read_text("utf-8"))


def _time(name: str, engine: Engine, tokens: Sequence[int]) -> Timing:
    decoded = DECODED_TOKENS if name != "exact, numpy" else DECODED_TOKENS // 8
    prefill_s, decode_s = engine(tokens, decoded)
    return Timing(name, len(tokens) / prefill_s, decoded / decode_s)


def _lines(rounds: Sequence[Sequence[Timing]], missing: dict[str, str]) -> list[str]:
    ours = [row[0] for row in rounds]
    lines = [
        "# Measured speed",
        "",
        "Written by `python -m benchmarks.models.speed` (part of `make bench`); do not edit.",
        f"SmolLM2-135M, {THREADS} threads, {PROMPT_TOKENS} tokens read, then {DECODED_TOKENS}",
        f"decoded; {len(rounds)} rounds, all engines in each; medians. A ratio is the C kernel's",
        "speed in a round over the other engine's in the same round.",
        "",
        "| engine | prefill tokens/s | ratio | decode tokens/s | ratio |",
        "|---|---|---|---|---|",
    ]
    for k, first in enumerate(rounds[0]):
        row = [turn[k] for turn in rounds]
        prefill = median(a.prefill / b.prefill for a, b in zip(ours, row, strict=True))
        decode = median(a.decode / b.decode for a, b in zip(ours, row, strict=True))
        lines.append(
            f"| {first.engine} | {median(each.prefill for each in row):.0f} | {prefill:.2f} | "
            f"{median(each.decode for each in row):.1f} | {decode:.2f} |"
        )
    lines += [f"\n{name}: not measured, {why}" for name, why in missing.items()]
    return lines


if __name__ == "__main__":
    typer.run(main)
