"""The commands of `stillwatch` that verify: each module registers its parsers, and runs them."""
