"""`python -m tests.bench`: what the service costs, as ratios measured in one run on one machine.

Each part is a module with `run(bench) -> list[Row]`. Runs that are compared are interleaved (A B A B) and the
median of their ratios counts: times differ from machine to machine and from minute to minute.
"""
