"""Tests of Ziyan."""
