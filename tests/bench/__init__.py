"""Benchmarks: what the issue of speed and size is settled by. `python3 noxfile.py bench -- NAME …`; no tests."""
