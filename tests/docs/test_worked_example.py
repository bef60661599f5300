"""The worked example of docs/trust.md, computed again with nothing but hashing, and two libraries for signatures."""

import json
import re
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from struct import pack

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

ROOT = Path(__file__).parents[2]
NOW = 1_795_305_600


def section() -> str:
    text = (ROOT / "docs/trust.md").read_text(encoding="utf-8")
    return text.split("\n## Worked example\n")[1].split("\n## ")[0]


def blocks() -> list[str]:
    return re.findall(r"```\n(.*?)\n```", section(), re.DOTALL)


def lines_of(block: str) -> dict[str, str]:
    return {line[:13].strip(): line[13:] for line in block.splitlines()}


def b64u(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_b64u(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_the_example_is_right_to_the_byte() -> None:
    objects, hashes, bundle, text, line, message = blocks()
    vectors = ROOT / "tests/vectors"
    jwks = json.loads((vectors / "object-signatures.json").read_text(encoding="utf-8"))["jwks"]["keys"]
    checkpoints = json.loads((vectors / "checkpoints.json").read_text(encoding="utf-8"))

    body, jws = objects.splitlines()
    canonical = body.encode()
    header, signature = jws.split("..")
    kid = json.loads(from_b64u(header))["kid"]
    (object_key,) = [from_b64u(key["x"]) for key in jwks if key["kid"] == kid]
    assert rfc8785.dumps(json.loads(body)) == canonical
    assert f"{len(canonical)} bytes" in section()
    Ed25519PublicKey.from_public_bytes(object_key).verify(
        from_b64u(signature), f"{header}.{b64u(canonical)}".encode()
    )

    said = lines_of(hashes)
    digest, statement = sha256(canonical), said["statement 0"]
    assert said["SHA-256(B)"].startswith(digest.hexdigest())
    assert f'"sha256":"{b64u(digest.digest())}"' in statement
    entries = [b"\x01" + sha256(bytes.fromhex(said["salt 0"]) + statement.encode()).digest()]
    entries.append(bytes.fromhex(said["entry 1"]))
    leaves = [sha256(b"\x00" + entry).digest() for entry in entries]
    root = sha256(b"\x01" + b"".join(leaves)).digest()
    assert entries[0].hex() == said["entry 0"]
    assert [leaf.hex() for leaf in leaves] == [said["leaf 0"], said["leaf 1"]]
    assert root.hex() == said["root"]
    assert bundle.replace("\n", "") == b"".join(pack(">H", 33) + entry for entry in entries).hex()

    origin, size, encoded_root = text.splitlines()
    assert (size, b64decode(encoded_root)) == ("2", root)

    vkey, signature_line = line.splitlines()
    name, key_id, encoded = vkey.split("+", 2)
    public = b64decode(encoded)
    signed = b64decode(signature_line.removeprefix(f"— {origin} "))
    assert (name, public[0]) == (origin, 1)
    assert sha256(name.encode() + b"\n" + public).hexdigest()[:8] == key_id == signed[:4].hex()
    Ed25519PublicKey.from_public_bytes(public[1:]).verify(signed[4:], f"{text}\n".encode())

    named = bytes([len(origin)]) + origin.encode()
    cosigned = b"subtree/v1\n\0" + named + pack(">Q", NOW) + named + pack(">QQ", 0, 2) + root
    assert message.replace("\n", "") == cosigned.hex()
    assert f"{len(cosigned)} bytes" in section()
    public = b64decode(checkpoints["log_vkeys"][1].split("+", 2)[2])
    key_id = sha256(origin.encode() + b"\n" + public).hexdigest()[:8]
    (case,) = [case for case in checkpoints["cases"] if case["name"] == "the example of docs/trust.md"]
    ml_dsa_44 = b64decode(case["note"].splitlines()[5].removeprefix(f"— {origin} "))
    assert case["note"].startswith(f"{text}\n\n{signature_line}\n")
    assert f"of key id `{key_id}`" in section()
    assert ml_dsa_44[:12].hex() == key_id + NOW.to_bytes(8, "big").hex()
    MLDSA44PublicKey.from_public_bytes(public[1:]).verify(ml_dsa_44[12:], cosigned)


def test_the_parts_of_the_message_are_in_it() -> None:
    message = blocks()[-1].replace("\n", "")
    parts = re.findall(r"`([0-9a-f]{16,24})`", section().split("in parts: ")[1])
    assert len(parts) == 4
    assert all(part in message for part in parts)
