"""`stillwatch submit`, what a pipeline runs: lines in, batches out, each delivered once whatever fails on the way."""
