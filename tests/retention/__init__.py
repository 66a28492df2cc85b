"""The stores as the roles render them, run here with the file system and the address of their pods, but without a cluster."""
