"""The engine: from the objects of an inventory to those of a cluster. It knows Kubernetes, and no component."""
