"""Rivals of the SWM-AP principal, one file each."""
