"""Keys and signatures (trust.md, "Object signature", "Keys", "The signer", "Tree and checkpoints").

Pure, bytes in and values out, but for the signer's own ends: `files` and `high_water` (its directory), `server` and
`remote` (its socket).

Every exception of this package, each raised in the module that defines it:

    SigningError                 keys   something about a key or a signature is not as it must be
    ├── UnreadableKey            keys   a private key file, its passphrase, or its kind is wrong
    ├── MalformedKeySet          keys   a JWK or JWK Set breaks a rule; nothing of it may be used
    ├── UnknownKey               keys   no key of the set has this `kid`
    ├── MalformedSignature       jws    not exactly the one form of signature this project makes
    ├── BadSignature             jws    the right form, but not made by that key over these bytes
    ├── NoSigningKey             remote nothing can be signed now, and what was to be signed waits
    │   └── SignerAway           remote the signer does not answer
    └── SignerRefused            remote it answers, and will not sign this
        └── CheckpointRefused    remote a log's tree does not continue what was signed of it before
"""
