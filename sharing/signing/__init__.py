"""Keys and detached signatures (trust.md, "Object signature", "Keys"). Pure: bytes in, values out.

Every exception of this package, each raised in the module that defines it:

    SigningError                 keys   something about a key or a signature is not as it must be
    ├── UnreadableKey            keys   a private key file, its passphrase, or its kind is wrong
    ├── MalformedKeySet          keys   a JWK or JWK Set breaks a rule; nothing of it may be used
    ├── UnknownKey               keys   no key of the set has this `kid`
    ├── MalformedSignature       jws    not exactly the one form of signature this project makes
    └── BadSignature             jws    the right form, but not made by that key over these bytes
"""
