"""Key files: the keys of RFC 8032 in them, who may read them, what is never overwritten."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import typer
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from typer.testing import CliRunner

from groundstation.commands.signing.keys import keygen
from groundstation.signing.keys import load_private_key, write_key_pair
from shared.auth.trust_file import key_id, load_trusted_keys
from shared.errors import InputError

app = typer.Typer()
app.command()(keygen)

# RFC 8032, section 7.1: secret key, public key, message, signature
RFC_8032 = {
    "TEST 1": (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    "TEST 2": (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    "TEST 3": (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
}
KEY = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(RFC_8032["TEST 1"][0]))


def public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


# --- the files --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RFC_8032)
def test_rfc_8032_through_the_files(tmp_path: Path, name: str) -> None:
    secret, public, message, signature = (bytes.fromhex(text) for text in RFC_8032[name])
    files = write_key_pair(tmp_path, Ed25519PrivateKey.from_private_bytes(secret))
    assert load_private_key(files.private).sign(message) == signature
    (trusted,) = load_trusted_keys(files.public.read_bytes())
    assert trusted.public_bytes_raw() == public
    trusted.verify(signature, message)
    assert files.key_id == key_id(trusted) == hashlib.sha256(public).digest()[0]


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
def test_modes_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        files = write_key_pair(tmp_path, KEY)
    finally:
        os.umask(before)
    assert stat.S_IMODE(files.private.stat().st_mode) == 0o600
    assert stat.S_IMODE(files.public.stat().st_mode) == 0o644


@pytest.mark.parametrize("name", ["ground.key", "ground.pub"])
@pytest.mark.parametrize("how", ["file", "dangling link"])
def test_nothing_is_overwritten(tmp_path: Path, name: str, how: str) -> None:
    if how == "file":
        (tmp_path / name).write_bytes(b"precious")
    else:
        (tmp_path / name).symlink_to("elsewhere")
    with pytest.raises(InputError):
        write_key_pair(tmp_path, KEY)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    if how == "file":
        assert (tmp_path / name).read_bytes() == b"precious"


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError):
        write_key_pair(tmp_path / "file", KEY)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
def test_openssl_reads_and_writes_the_same_files(tmp_path: Path) -> None:
    files = write_key_pair(tmp_path / "ours", KEY)
    derived = subprocess.run(
        ["openssl", "pkey", "-in", files.private, "-pubout"], capture_output=True, check=True
    ).stdout
    assert derived == files.public.read_bytes()
    made = tmp_path / "made.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", made], check=True)
    assert len(load_private_key(made).sign(b"")) == 64


# --- files of others --------------------------------------------------------------------------


def test_private_keys_that_are_none(tmp_path: Path) -> None:
    curve = generate_private_key(SECP256R1())
    pem, pkcs8 = Encoding.PEM, PrivateFormat.PKCS8
    for name, data in {
        "empty": b"",
        "text": b"hello",
        "public": public_pem(KEY),
        "cut": KEY.private_bytes(pem, pkcs8, NoEncryption())[:60],
        "encrypted": KEY.private_bytes(pem, pkcs8, BestAvailableEncryption(b"secret")),
        "another algorithm": curve.private_bytes(pem, pkcs8, NoEncryption()),
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError):
            load_private_key(tmp_path / name)
    with pytest.raises(InputError):
        load_private_key(tmp_path / "missing")


def test_a_trust_file_of_several_keys_with_notes_between() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(RFC_8032["TEST 2"][0]))
    keys = load_trusted_keys(
        b"# day shift\n" + public_pem(KEY) + b"\n# night\n" + public_pem(other)
    )
    assert [key.public_bytes_raw().hex() for key in keys] == [
        RFC_8032["TEST 1"][1],
        RFC_8032["TEST 2"][1],
    ]


def test_trust_files_that_are_refused() -> None:
    pem = public_pem(KEY)
    curve = generate_private_key(SECP256R1()).public_key()
    for data in (
        b"",
        b"hello",
        pem[:50],
        pem.replace(b"MC", b"!!", 1),
        pem + KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        pem + curve.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    ):
        with pytest.raises(InputError):
            load_trusted_keys(data)


# --- the command ------------------------------------------------------------------------------


def test_keygen(tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["--out", str(tmp_path / "new" / "keys")])
    assert run.exit_code == 0
    key = load_private_key(tmp_path / "new" / "keys" / "ground.key")
    assert f"{key_id(key.public_key()):02x}" in run.stdout
    assert "ground.pub" in run.stdout


def test_keygen_json_and_a_new_key_each_time(tmp_path: Path) -> None:
    publics = set()
    for name in ("a", "b"):
        run = CliRunner().invoke(app, ["--out", str(tmp_path / name), "--json"])
        report = json.loads(run.stdout)
        assert report["private_key"] == str(tmp_path / name / "ground.key")
        (key,) = load_trusted_keys(Path(report["public_key"]).read_bytes())
        assert report["key_id"] == f"{key_id(key):02x}"
        publics.add(key.public_bytes_raw())
    assert len(publics) == 2


def test_keygen_refuses_to_overwrite(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["--out", str(tmp_path)]).exit_code == 0
    before = (tmp_path / "ground.key").read_bytes()
    run = CliRunner().invoke(app, ["--out", str(tmp_path), "--json"])
    assert run.exit_code == 4
    assert json.loads(run.stdout)["error"] == "input"
    assert (tmp_path / "ground.key").read_bytes() == before
