"""Verification: something is sent through every connection of a running stack and read back."""
