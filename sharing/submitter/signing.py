"""Signing objects before they are submitted (docs/api.md, "Signed objects"): each line bears its own signature."""

from sharing.signing import jws
from sharing.signing.keys import Signer
from sharing.submitter.batches import Line
from sharing.verifier import strict_json
from sharing.verifier.failures import Malformed


def signed(line: Line, signer: Signer) -> Line:
    """The line with a signature over its object's canonical form; one that bears a signature stays as it is.

    What cannot be read strictly cannot be signed: it comes back as a fault, and is not sent.
    """
    if line.fault:
        return line
    try:
        # One level more for an object that bears its signature already.
        stix = strict_json.read_object(line.text, depth=strict_json.MAX_DEPTH + 1)
        if set(stix) == {"jws", "object"}:
            return line
        made = jws.sign_object(signer, strict_json.canonical(stix))
    except Malformed as error:
        return Line(line.number, fault=f"it cannot be signed: {error}")
    return Line(line.number, b'{"jws":"%b","object":%b}' % (made.encode("ascii"), line.text))
