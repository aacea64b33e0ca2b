"""What Runwright must reach, measured against what it is made of and against its peers: `python -m benchmarks`."""
