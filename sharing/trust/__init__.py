"""The trust root (The Update Framework 1.0, by python-tuf): what the publisher signs offline and partners check.

    root         offline, threshold    which keys may sign what
    targets      offline, threshold    jwks.json, policy.txt, revocations.json
    collections  online                collections.json: the logs and their ceilings
    snapshot     online                which versions belong together
    timestamp    online                that this is the latest, signed anew every day

No Django: partners and the ceremony's machine run it with tuf, cryptography and httpx alone. The publisher's side is
`ceremony` and its command line, the server's `acceptance` and `online`, the partner's `store`.
"""
