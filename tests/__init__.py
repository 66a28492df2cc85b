"""Tests of the collection and of the tools it is worked on with."""
