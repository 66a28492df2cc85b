"""Clusters to run the collection on: one of your own, kind, or the lab of this repository."""
