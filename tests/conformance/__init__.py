"""TAXII 2.1 conformance, over HTTP and from the text alone: nothing here knows how the server is made.

One module per part of the specification. "§" is TAXII 2.1 (OASIS Standard, 10 June 2021), "Interop" the
TAXII 2.1 Interoperability Test Document 1.0, "clients.md n" the n-th rule of what real clients demand.

The suite runs against the server of the fixture `world` and leaves what it posted in the collection
`exchange` and in its own inbox. STILLWATCH_MALFORMED_BODIES and STILLWATCH_MALFORMED_SECONDS bound
test_malformed_bodies.
"""
