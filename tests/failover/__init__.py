"""The accounting test: numbered events on every path, faults while they flow, and then each store is asked for every number."""
