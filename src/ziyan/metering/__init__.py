"""Who may call and what it cost.  Imports neither ``ocr`` nor ``engine``."""
