"""Processors to compute on in emulation, and where their software comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PURE: Final = (
    "annotated-doc",
    "click",
    "gguf",
    "markdown-it-py",
    "mdurl",
    "Pygments",
    "rich",
    "shellingham",
    "tqdm",
    "typer",
    "typing_extensions",
)
"""What the probe, and pinning, need in plain Python."""

_COMPILED: Final = ("cffi", "cryptography", "numpy", "PyYAML", "tokenizers", "zstandard")
_ALWAYS: Final = ("libgcc-s1", "libstdc++6")


@dataclass(frozen=True)
class Architecture:
    """One kind of processor.

    Attributes:
        name: as Debian calls it.
        machine: as the kernel and qemu call it.
        suites: Debian releases; the next one is asked where an index is not to be had.
        python: the release's Python.
        cpu: which processor qemu plays.  Its largest arm64 one has vectors of 2048 bits and signed
            pointers, and multiplies matrices many times slower than a plain one.
        packages: of Debian.
        wheels: compiled ones from PyPI, in the releases of constraints.txt.
        platforms: names of the platform that such wheels bear.
    """

    name: str
    machine: str
    suites: tuple[str, ...]
    python: str
    cpu: str
    packages: tuple[str, ...]
    wheels: tuple[str, ...]
    platforms: tuple[str, ...]

    @property
    def triplet(self) -> str:
        """As compilers call it."""
        return f"{self.machine}-linux-gnu"


def _platforms(machine: str) -> tuple[str, ...]:
    """The names of glibc's versions in wheels, up to those of the Debian releases used here."""
    recent = (f"manylinux_2_{minor}_{machine}" for minor in (17, 27, 28, 31, 34, 35))
    return (f"manylinux2014_{machine}", *recent)


def _with_wheels(name: str, machine: str, cpu: str) -> Architecture:
    """An architecture for which PyPI has all that the probe needs."""
    return Architecture(
        name=name,
        machine=machine,
        suites=("bookworm",),
        python="3.11",
        cpu=cpu,
        packages=("libpython3.11-dev", "libpython3.11-stdlib", "python3.11-minimal", *_ALWAYS),
        wheels=_COMPILED,
        platforms=_platforms(machine),
    )


def _with_debian(name: str, cpu: str) -> Architecture:
    """An architecture whose numpy, BLAS and cryptography are Debian's."""
    return Architecture(
        name=name,
        machine=name,
        suites=("trixie", "stable"),
        python="3.13",
        cpu=cpu,
        packages=(
            "libopenblas0-pthread",
            "libpython3-dev",
            "python3-cryptography",
            "python3-minimal",
            "python3-numpy",
            "python3-yaml",
            "python3-zstandard",
            *_ALWAYS,
        ),
        wheels=("tokenizers",),
        platforms=_platforms(name),
    )


ARCHITECTURES: Final = {
    each.name: each
    for each in (
        _with_wheels("arm64", "aarch64", "cortex-a72"),
        _with_wheels("amd64", "x86_64", "max"),
        _with_debian("riscv64", "rv64"),
        _with_debian("s390x", "max"),
    )
}


def foreign(machine: str) -> tuple[str, ...]:
    """The architectures to emulate on a machine of this kind, by name."""
    return tuple(name for name, each in ARCHITECTURES.items() if each.machine != machine)
