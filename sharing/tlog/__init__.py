"""What a collection's log says about its entries (trust.md, "Log"). Pure: bytes in, values out."""
