"""Ziyan (字眼): text read out of pictures, behind an API that you run yourself."""

__version__ = "0.1.0"
