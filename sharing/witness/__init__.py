"""`stillwatch witness`: a partner vouches that the service shows everybody the same logs (C2SP tlog-witness).

A log sends each new checkpoint with a proof that its tree only grew; the witness checks it against what it cosigned
last, remembers it durably, and answers with a signature. It sees origins, sizes and roots, never an entry.

    witness.py   what is cosigned and what is refused; no network
    memory.py    what was cosigned last, in SQLite
    evidence.py  what a log signed that it must not have signed, as files
    logs.py      which logs there are, and their keys
    keys.py      the witness's own keys, as encrypted files
    server.py    HTTP, within bounds
    cli.py       the commands
"""
