"""Tests of the reading pipeline."""
