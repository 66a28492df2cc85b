"""The model of a stack and everything that follows from it. Pure Python: nothing here imports Ansible."""
