"""What a consumer runs to check a feed offline, with `cryptography` and `rfc8785` installed and nothing else.

Pure but for `cli`: bytes in, a report out, or an exception that carries its exit code (`failures`).
"""
