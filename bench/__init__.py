"""The benchmarks behind every number that we state: `python -m bench.NAME [--json]`."""
