"""Devices that say what they measure in the topic; see README.md beside this file."""
