"""A whole machine in the cache: emulator, Python, libraries, kernel and our own code."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.cross.closure import files_of
from benchmarks.cross.debian import unpack
from benchmarks.cross.machines import PURE, Architecture
from shared.errors import DownloadError
from shared.exact.pin import cache_home
from shared.terminal import Report

REPOSITORY: Final = Path(__file__).parents[2]
CODE: Final = ("shared", "probe", "groundstation", "benchmarks/cross", "benchmarks/__init__.py")
"""What has to be copied to a machine that shall check itself."""
COMPUTING: Final = "benchmarks.cross.check"
"""What results depend on."""
TOOLS_SUITE: Final = "bookworm"
COMPILER: Final = "gcc-12"


@dataclass(frozen=True)
class Userland:
    """One emulated machine.

    Attributes:
        architecture: which processor.
        folder: of everything of it, in the cache.
    """

    architecture: Architecture
    folder: Path

    @property
    def root(self) -> Path:
        """The unpacked Debian of that architecture."""
        return self.folder / "root"

    @property
    def tools(self) -> Path:
        """Emulator and cross compiler, programs of this machine."""
        return self.folder / "tools"

    @property
    def site(self) -> Path:
        """Unpacked wheels."""
        return self.folder / "site"

    @property
    def code(self) -> Path:
        """A copy of our own code with the kernel compiled for it."""
        return self.folder / "code"

    def command(self, *arguments: str) -> list[str]:
        """A command line that runs its Python."""
        libraries = self.root / "usr/lib" / self.architecture.triplet / "openblas-pthread"
        variables = {
            "LD_LIBRARY_PATH": str(libraries),
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join((str(self.code), str(self.site))),
        }
        settings = [word for item in variables.items() for word in ("-E", "=".join(item))]
        python = self.root / "usr/bin" / f"python{self.architecture.python}"
        emulator = self.tools / "usr/bin" / f"qemu-{self.architecture.machine}-static"
        cpu = ["-cpu", self.architecture.cpu]
        return [str(emulator), *cpu, "-L", str(self.root), *settings, str(python), *arguments]


def cross_home() -> Path:
    """Where emulated machines are kept."""
    return cache_home() / "cross"


def prepare(architecture: Architecture, host: str, source: str, report: Report) -> Userland:
    """Sets up a machine, or completes one; what is there already is not fetched again.

    Args:
        architecture: which.
        host: this machine's architecture, as Debian calls it.
        source: address of a Debian mirror.
        report: told of each stage.

    Raises:
        DownloadError: something cannot be fetched.
    """
    folder = cross_home() / architecture.name
    folder.mkdir(parents=True, exist_ok=True)
    made = Userland(architecture, folder)
    tools = ("qemu-user-static", f"{COMPILER}-{architecture.triplet.replace('_', '-')}")
    for place, machine, suites, packages in (
        (made.tools, host, (TOOLS_SUITE,), tools),
        (made.root, architecture.name, architecture.suites, architecture.packages),
    ):
        recipe = "\n".join((machine, *suites, *packages))
        if not _is_made(place, recipe):
            report(f"{architecture.name}: Debian packages into {place.name}", 0, 0)
            unpack(place, machine, suites, packages, source)
            _keep(place, recipe)
    _add_wheels(made, report)
    code = code_digest()
    if not _is_made(made.code, code):
        report(f"{architecture.name}: compiling the kernel", 0, 0)
        _copy_code(made)
        _compile(made)
        _keep(made.code, code)
    return made


def _is_made(place: Path, recipe: str) -> bool:
    """Whether a folder was made by this recipe; one that was not is deleted."""
    note = place.with_name(place.name + ".recipe")
    if place.is_dir() and note.is_file() and note.read_text("utf-8") == recipe:
        return True
    shutil.rmtree(place, ignore_errors=True)
    return False


def _keep(place: Path, recipe: str) -> None:
    place.with_name(place.name + ".recipe").write_text(recipe, "utf-8")


def _add_wheels(made: Userland, report: Report) -> None:
    """Downloads wheels in the releases of constraints.txt and unpacks them."""
    releases, architecture = pinned_releases(), made.architecture
    names = (*PURE, *architecture.wheels)
    wanted = [f"{name}=={releases[_plain(name)]}" for name in names]
    recipe = "\n".join(wanted)
    if _is_made(made.site, recipe):
        return
    wheels = made.folder / "wheels"
    report(f"{architecture.name}: wheels", 0, 0)
    number = architecture.python.replace(".", "")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--no-input", "--quiet", "--dest", str(wheels)]
    command += ["--python-version", architecture.python, "--implementation", "cp"]
    for name in (f"cp{number}", "abi3", "none"):
        command += ["--abi", name]
    for name in (*architecture.platforms, "any"):
        command += ["--platform", name]
    done = subprocess.run([*command, *wanted], capture_output=True, text=True, check=False)
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        raise DownloadError(
            f"pip cannot download wheels for {architecture.name}: "
            f"{(told or [done.stderr.strip()])[-1]}",
            expected="wheels from PyPI, or from the index that pip is configured to use",
            remedy="check the network and `pip config list`, then run the command again",
        )
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(made.site)
    shutil.rmtree(wheels)
    _keep(made.site, recipe)


def pinned_releases() -> Mapping[str, str]:
    """Release by distribution, as constraints.txt has them."""
    lines = (REPOSITORY / "constraints.txt").read_text("utf-8").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {_plain(name): release for name, release in pairs}


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def _copy_code(made: Userland) -> None:
    """What would be copied to a board."""
    skipped = shutil.ignore_patterns("__pycache__", "*.so", "*.o")
    for name in CODE:
        source, target = REPOSITORY / name, made.code / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=skipped)
        else:
            shutil.copy2(source, target)


def _compile(made: Userland) -> None:
    """The kernel, with the flags of pyproject.toml."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    modules = project["tool"]["setuptools"]["ext-modules"]
    (module,) = (each for each in modules if each["name"] == "shared.exact._kernel")
    architecture, tools = made.architecture, made.tools
    suffix = f".cpython-{architecture.python.replace('.', '')}-{architecture.triplet}.so"
    target = made.code / "shared/exact" / f"_kernel{suffix}"
    command = [str(tools / "usr/bin" / f"{architecture.triplet}-{COMPILER}")]
    command += [f"--sysroot={made.root}", "-shared", "-fPIC", *module["extra-compile-args"]]
    command += [f"-I{made.root}/usr/include/python{architecture.python}"]
    command += [str(made.code / source) for source in module["sources"]]
    command += ["-o", str(target), *module["extra-link-args"]]
    libraries = os.pathsep.join(str(path) for path in sorted((tools / "usr/lib").glob("*-gnu")))
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "LD_LIBRARY_PATH": libraries},
        check=False,
    )
    if done.returncode:
        raise DownloadError(
            f"the kernel does not compile for {architecture.name}: {done.stderr.strip()[:400]}",
            expected="a cross compiler that works",
            remedy=f"delete {made.folder} and run the command again",
        )


def code_digest() -> str:
    """sha256 over what computes, so that results of other code are not taken for this one's."""
    digest = hashlib.sha256()
    golden = REPOSITORY / "benchmarks/cross/golden.json"
    skipped = {Path(__file__), golden.with_name("__main__.py")}
    for path in sorted({*files_of(COMPUTING, REPOSITORY), golden} - skipped):
        digest.update(str(path.relative_to(REPOSITORY)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
