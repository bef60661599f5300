"""WHAT WE LET OUT: collections, release, feeds and proofs."""
