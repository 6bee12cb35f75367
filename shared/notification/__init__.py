"""Telling people outside of Vedette: channels, and what they say. Stages tell of jobs, control of alerts."""
