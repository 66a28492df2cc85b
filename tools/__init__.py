"""What a checkout is worked on with: the lab and the checks of rendered files. Not part of the published collection."""
