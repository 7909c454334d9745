"""The specialised model that is shipped: made anew, and what it costs elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.models.ordinary import measure, total_percent
from groundstation.models.catalogue import SMOLLM2, SMOLLM2_PATCH
from groundstation.models.download import fetch_weights
from groundstation.models.fetch import ADAPTERS, shipped_adapter
from shared.exact.pin import cache_home, load_pin, resolve_pin

MAKE = """
import sys
from pathlib import Path
from groundstation.models.catalogue import SMOLLM2_PATCH
from groundstation.models.fetch import shipped_adapter
from groundstation.models.pin import read_source, write_pin
source = shipped_adapter(SMOLLM2_PATCH).applied(read_source(Path(sys.argv[1])))
pin = write_pin(source, Path(sys.argv[2]), name=SMOLLM2_PATCH.name, licence=SMOLLM2_PATCH.licence)
print(pin.digest.hex())
"""


def test_the_adapter_is_small_and_says_what_it_is() -> None:
    adapter = shipped_adapter(SMOLLM2_PATCH)
    path = ADAPTERS / str(SMOLLM2_PATCH.adapter)
    assert path.stat().st_size <= 8_000_000
    assert adapter.base_sha256 == SMOLLM2.sha256
    assert adapter.name == SMOLLM2_PATCH.name
    page = (ADAPTERS / "README.md").read_text("utf-8")
    assert adapter.digest in page
    assert str(adapter.facts["patches_sha256"]) in page


@pytest.mark.model
@pytest.mark.slow
def test_base_and_adapter_give_the_pin_of_the_catalogue(
    tmp_path: Path,
) -> None:
    """In another process, with other matrix products and other vector instructions."""
    elsewhere = {
        "OPENBLAS_NUM_THREADS": "1",
        "OPENBLAS_CORETYPE": "Prescott",
        "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3",
    }
    weights = fetch_weights(SMOLLM2, cache_home() / "downloads")
    made = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MAKE, str(weights), str(tmp_path / "pin")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **elsewhere},
    )
    assert made.stdout.strip() == SMOLLM2_PATCH.pin_digest, made.stderr


@pytest.mark.model
@pytest.mark.slow
def test_the_fetched_pin_is_that_of_the_catalogue() -> None:
    assert load_pin(resolve_pin(SMOLLM2_PATCH.name)).digest.hex() == SMOLLM2_PATCH.pin_digest


@pytest.mark.model
@pytest.mark.slow
def test_ordinary_text_is_not_ruined() -> None:
    found = measure()
    assert sum(each.tokens for each in found) >= 8000
    assert total_percent(found) <= 3.0
