"""Tests of the collection, and the lab they run in."""
