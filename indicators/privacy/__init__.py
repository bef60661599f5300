"""Personal identifiers: what is refused in the clear, and how it is blinded instead (model.md, "Privacy"). Pure.

`blinding` runs at partners too, with the base install: nothing is imported here, and nothing but the standard library
there.
"""
