"""Benchmarks: our parts beside a peer in the same process, so that the ratio is what counts."""
