"""Measurements: what a run of the playbooks costs, beside Helm, kubectl and an empty play."""
