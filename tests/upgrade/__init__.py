"""The upgrade test: requests are counted while everything that a run can change is changed."""
